"""Last looks: orders that are about to be made are read once more when eligibility asks, and answered on `orders.raw`.

Questions are kept by order until they are answered, and a store's are read together, as many at once as its platform
gives, within the budget that leaves a share to polls and webhooks. An answer is in Kafka before its question is
forgotten.
"""
