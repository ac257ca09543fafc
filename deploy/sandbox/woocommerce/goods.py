"""Lines of the goods that stores sell, priced in the order's currency and taxed as the store does it."""

from __future__ import annotations

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GIFT_CARD, GOODS, GOODS_BY_SKU, LEGACY, Good
from deploy.sandbox.woocommerce.orders import Line, Meta, Order
from deploy.sandbox.woocommerce.site import Site
from deploy.sandbox.woocommerce.wire import UNIT

#: Prices are made up in US dollars and told in the order's currency; JPY has no cents, KWD has thousandths.
RATES = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8, "JPY": 150.0, "KWD": 0.307, "CAD": 1.35, "AUD": 1.5}
_WHOLE_UNITS = ("JPY",)
_FIRST_PRODUCT = 11
_CENT = UNIT // 100
_PLACES = {good.sku: place for place, good in enumerate((*GOODS, LEGACY, DOWNLOAD, GIFT_CARD))}


def make_line(site: Site, order: Order, good: Good, quantity: float) -> Line:
    """A line of a good: its net total unrounded where prices include the tax."""
    gross = price(good.price, order.currency) * quantity
    percent = order.tax_percent
    net = round(gross * 100 / (100 + percent)) if order.prices_include_tax else round(gross)
    tax = round(gross) - net if order.prices_include_tax else round(net * percent / 100)
    product = product_id(good)
    virtual = good in (DOWNLOAD, GIFT_CARD)
    return Line(
        id=site.next_id(),
        name=f"{good.title} &ndash; {good.variant_title}" if good.options else good.title,
        product_id=product,
        variation_id=0 if virtual else product + 1,
        quantity=quantity,
        sku=good.sku,
        subtotal=net,
        subtotal_tax=tax,
        total=net,
        total_tax=tax,
        meta=[] if virtual else _attributes(site, good),
        parent_name=None if virtual else good.title,
        virtual=virtual,
        downloadable=good is DOWNLOAD,
    )


def price(cents: int, currency: str) -> int:
    """A price of so many US cents in millionths of another currency, whole where that has no smaller coins."""
    return payable(round(cents * _CENT * RATES.get(currency, 1.0)), currency)


def payable(amount: int, currency: str) -> int:
    """An amount without what the currency has no coins for."""
    step = UNIT if currency in _WHOLE_UNITS else UNIT // 1000 if currency == "KWD" else _CENT
    return amount // step * step


def product_id(good: Good) -> int:
    """The id of the product; its variation is the next one."""
    return _FIRST_PRODUCT + 2 * _PLACES.get(good.sku, len(_PLACES))


def line_for_sku(site: Site, order: Order, sku: str, quantity: int) -> Line:
    """A line by SKU; one that nobody knows is of a product that the seller just made."""
    good = GOODS_BY_SKU.get(sku) or Good(sku, "New product", (), 1000, 100)
    return make_line(site, order, good, quantity)


def forget_product(line: Line) -> None:
    """What a line shows once its product was deleted."""
    line.sku, line.product_id, line.variation_id = None, 0, 0


def _attributes(site: Site, good: Good) -> list[Meta]:
    """A variation's attributes, which the store shows as meta data under `pa_…` keys."""
    return [
        Meta(site.next_id(), f"pa_{name.lower()}", value.lower().replace(" ", "-"), name, value)
        for name, value in good.options
    ]
