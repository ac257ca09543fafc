"""The GraphQL documents we send, checked against Shopify's schema by a test."""

_ORDER_FIELDS = """
fragment OrderFields on Order {
  id legacyResourceId name createdAt updatedAt processedAt cancelledAt cancelReason test email phone note tags
  displayFinancialStatus displayFulfillmentStatus currencyCode
  totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
  customAttributes { key value }
  shippingAddress {
    name firstName lastName company address1 address2 city province provinceCode countryCodeV2 zip phone
  }
  shippingLine { title code }
  risk { recommendation }
  customer { id }
}
"""

_LINE_FIELDS = """
fragment LineFields on LineItem {
  id title variantTitle sku quantity currentQuantity unfulfilledQuantity requiresShipping isGiftCard
  customAttributes { key value }
  originalUnitPriceSet { shopMoney { amount currencyCode } }
  variant { id }
  product { id }
  lineItemGroup { customAttributes { key value } }
}
"""

_ORDERS = """
  orders(first: $orders, after: $after, sortKey: $sort, reverse: false, query: $search) {
    pageInfo { hasNextPage endCursor }
    nodes {
      ...OrderFields
      lineItems(first: $lines) { pageInfo { hasNextPage endCursor } nodes { ...LineFields } }
    }
  }
"""

#: The first page of a window, with how many orders the window holds.
FIRST_PAGE = (
    "query FirstPage($search: String!, $sort: OrderSortKeys!, $orders: Int!, $lines: Int!, $after: String) {"
    "  ordersCount(query: $search, limit: null) { count precision }"
    f"{_ORDERS}}}{_ORDER_FIELDS}{_LINE_FIELDS}"
)
#: A page after the first.
NEXT_PAGE = (
    "query NextPage($search: String!, $sort: OrderSortKeys!, $orders: Int!, $lines: Int!, $after: String) {"
    f"{_ORDERS}}}{_ORDER_FIELDS}{_LINE_FIELDS}"
)
#: How many orders a window holds: without a limit of its own, Shopify stops counting at 10,000.
COUNT = "query CountOrders($search: String!) { ordersCount(query: $search, limit: null) { count precision } }"
_LISTED = """
  orders(first: $orders, after: $after, sortKey: $sort, reverse: false, query: $search) {
    pageInfo { hasNextPage endCursor }
    nodes { id legacyResourceId createdAt updatedAt processedAt }
  }
"""
#: Ids and times only: an order costs one point. The first page with how many orders the window holds.
FIRST_LIST = (
    "query FirstList($search: String!, $sort: OrderSortKeys!, $orders: Int!, $after: String) {"
    "  ordersCount(query: $search, limit: null) { count precision }"
    f"{_LISTED}}}"
)
NEXT_LIST = f"query NextList($search: String!, $sort: OrderSortKeys!, $orders: Int!, $after: String) {{{_LISTED}}}"
#: Orders by their ids, each in its place, null for what is not there.
SOME_ORDERS = (
    "query SomeOrders($ids: [ID!]!, $lines: Int!) { nodes(ids: $ids) { ... on Order { ...OrderFields"
    "  lineItems(first: $lines) { pageInfo { hasNextPage endCursor } nodes { ...LineFields } } } } }"
    f"{_ORDER_FIELDS}{_LINE_FIELDS}"
)
#: What this app is shown of the store's past: all of it only with a scope of its own, else not the oldest orders.
OLDEST = """query Oldest {
  currentAppInstallation { accessScopes { handle } }
  orders(first: 1, sortKey: CREATED_AT) { nodes { legacyResourceId } }
}"""
#: One order with its first lines.
ONE_ORDER = (
    "query OneOrder($id: ID!, $lines: Int!) { order(id: $id) { ...OrderFields"
    "  lineItems(first: $lines) { pageInfo { hasNextPage endCursor } nodes { ...LineFields } } } }"
    f"{_ORDER_FIELDS}{_LINE_FIELDS}"
)
#: The lines of an order after those a page held. `updatedAt` tells whether it is still the same revision.
MORE_LINES = (
    "query MoreLines($id: ID!, $lines: Int!, $after: String!) { order(id: $id) { updatedAt"
    "  lineItems(first: $lines, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...LineFields } } } }"
    f"{_LINE_FIELDS}"
)
#: Whether anything of these orders is on hold. Apart from the page: it needs scopes of its own, and few are asked.
HELD_PARTS = """query HeldParts($ids: [ID!]!, $parts: Int!) {
  nodes(ids: $ids) { ... on Order {
    id fulfillmentOrders(first: $parts) { pageInfo { hasNextPage endCursor } nodes { status } }
  } }
}"""
#: What of an order is on hold, and why.
HOLDS = """query Holds($id: ID!, $after: String) {
  order(id: $id) { fulfillmentOrders(first: 20, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      status fulfillmentHolds { reason }
      lineItems(first: 3) { pageInfo { hasNextPage endCursor } nodes { lineItem { title } } }
    }
  } }
}"""
#: Which order a fulfilment order is of: webhooks about holds name only the latter.
ORDER_OF = "query OrderOf($id: ID!) { fulfillmentOrder(id: $id) { orderId } }"
#: The store itself, to prove a token and to know its currency and time zone.
SHOP = """query Shop {
  shop { name myshopifyDomain currencyCode ianaTimezone }
  currentAppInstallation { accessScopes { handle } }
}"""
#: What the app may do, and whether the newest orders show where they go.
PROBE = """query Probe {
  currentAppInstallation { accessScopes { handle } }
  orders(first: 5, sortKey: UPDATED_AT, reverse: true) { nodes { requiresShipping shippingAddress { address1 } } }
}"""
SUBSCRIPTIONS = """query Subscriptions($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id topic uri }
  }
}"""
SUBSCRIBE = """mutation Subscribe($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: { uri: $uri, format: JSON }) {
    webhookSubscription { id topic uri }
    userErrors { field message }
  }
}"""
UNSUBSCRIBE = """mutation Unsubscribe($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}"""

_SENT = """
    cancelledAt displayFinancialStatus displayFulfillmentStatus
    fulfillments(first: $parcels) { id status trackingInfo { number company url } }
"""
_PART_LINES = "pageInfo { hasNextPage endCursor } nodes { id remainingQuantity lineItem { id } }"
_PART_FIELDS = f"""
fragment PartFields on FulfillmentOrder {{
  id status fulfillAt fulfillBy
  supportedActions {{ action }}
  assignedLocation {{ location {{ id }} }}
  lineItems(first: $lines) {{ {_PART_LINES} }}
}}
"""
_PARTS = """
    fulfillmentOrders(first: $parts, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...PartFields } }
"""
#: What of an order was sent, and what may be sent now: fulfilment orders and their ids change with moves and holds.
SHIPPING = (
    "query Shipping($id: ID!, $parcels: Int!, $parts: Int!, $lines: Int!, $after: String) {"
    f"  order(id: $id) {{{_SENT}{_PARTS}}} }}{_PART_FIELDS}"
)
#: What was sent alone: fulfilment orders need scopes of their own.
PARCELS = f"query Parcels($id: ID!, $parcels: Int!) {{ order(id: $id) {{{_SENT}}} }}"
#: What is in each, which matters only where something is left.
PARCEL_LINES = """query ParcelLines($id: ID!, $parcels: Int!, $lines: Int!) {
  order(id: $id) {
    fulfillments(first: $parcels) {
      id fulfillmentLineItems(first: $lines) { pageInfo { hasNextPage } nodes { quantity lineItem { id } } }
    }
  }
}"""
#: The fulfilment orders, and the lines of one, after those that were read.
MORE_PARTS = (
    "query MoreParts($id: ID!, $parts: Int!, $lines: Int!, $after: String) {"
    f"  order(id: $id) {{{_PARTS}}} }}{_PART_FIELDS}"
)
MORE_PART_LINES = (
    "query MorePartLines($id: ID!, $lines: Int!, $after: String!) {"
    f"  fulfillmentOrder(id: $id) {{ lineItems(first: $lines, after: $after) {{ {_PART_LINES} }} }} }}"
)
SHIP = """mutation Ship($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id } userErrors { field message } }
}"""
RETRACK = """mutation Retrack($id: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean!) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $tracking, notifyCustomer: $notify) {
    fulfillment { id } userErrors { field message }
  }
}"""
