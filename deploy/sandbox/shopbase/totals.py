"""Adds an order up, in minor units."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.sandbox.shopbase.world import Order

#: The made-up sales tax of taxed orders, in percent.
TAX_PERCENT = 8


@dataclass(frozen=True, slots=True)
class Totals:
    """What the order's sums are; `total` is what the buyer owes before refunds."""

    goods: int
    discount: int
    shipping: int
    tax: int
    tip: int
    refunded: int

    @property
    def subtotal(self) -> int:
        """The goods after discounts."""
        return self.goods - self.discount

    @property
    def total(self) -> int:
        """Everything that the buyer pays."""
        return self.subtotal + self.shipping + self.tax + self.tip


def totals_of(order: Order) -> Totals:
    """The sums of an order as it stands; refunds lower none of them but `refunded`."""
    goods = discount = tip = 0
    for line in order.lines:
        if line.tip:
            tip += line.price * line.quantity
        else:
            goods += line.price * line.quantity
            discount += line.discount
    return Totals(
        goods=goods,
        discount=discount,
        shipping=order.shipping,
        tax=(goods - discount) * TAX_PERCENT // 100 if order.taxed else 0,
        tip=tip,
        refunded=sum(refund.amount + refund.other + refund.shipping for refund in order.refunds),
    )
