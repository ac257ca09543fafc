"""Everything that may happen to an order of a store, with the times, webhooks and mails that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from deploy.sandbox.books import Books
from deploy.sandbox.woocommerce.making import new_refund
from deploy.sandbox.woocommerce.orders import TRASH, Meta, Note, Order, Refund
from deploy.sandbox.woocommerce.site import Site

_MAILED = ("completed", "refunded")
Tell = Callable[[Order, str], None]


@dataclass(slots=True)
class Desk:
    """One store's desk; `tell(order, event)` sends webhooks."""

    site: Site
    books: Books
    tell: Tell = lambda _order, _event: None

    def save(self, order: Order, *, moves: bool = False) -> None:
        """Something of the order was written, if only what was there already.

        The order tables move `date_modified` at every save; post storage does so only when the post itself
        changes (`moves`), not for addresses, lines and meta data. order.updated is sent either way.
        """
        if moves or self.site.options.orders_storage == "hpos":
            order.modified = max(self.site.now(), order.modified)
        order.wire.clear()
        self.tell(order, "updated")

    def set_status(self, order: Order, status: str) -> None:
        """Change the status, with what stock WooCommerce does then; the caller saves."""
        if status == order.status:
            return
        order.status = status
        now = self.site.now()
        if status == "completed":
            order.completed = now
        if order.paid is None and self._pays(order, status):
            order.paid = now
        if status == "refunded" and order.refunded < order.total:
            # Set by hand, the rest is refunded by itself, of no line in particular.
            rest = order.total - order.refunded
            order.refunds.append(replace(new_refund(self.site, order, rest, {}), at=now))
        if status in _MAILED:
            self.books.mail(self.site.name, order.id, status)

    def _pays(self, order: Order, status: str) -> bool:
        return status == "completed" or (status == "processing" and order.payment_method != "cod")

    def pay(self, order: Order) -> None:
        """The payment came: downloads alone are completed at once."""
        order.transaction = order.transaction or f"ch_{order.id:012x}"
        if order.payment_method == "cod":
            order.paid = self.site.now()
        self.set_status(order, "processing" if order.needs_processing else "completed")
        self.save(order, moves=True)

    def refund(self, order: Order, amount: int, lines: dict[int, int], *, reason: str = "") -> Refund:
        """Give money back; when nothing is left of the total, the order becomes refunded."""
        refund = replace(new_refund(self.site, order, amount, lines, reason=reason), at=self.site.now())
        order.refunds.append(refund)
        if order.refunded >= order.total:
            self.set_status(order, "refunded")
        self.save(order, moves=True)
        return refund

    def drop_refund(self, order: Order, refund: Refund) -> None:
        """A refund is deleted, which never moves `date_modified`."""
        order.refunds.remove(refund)
        order.wire.clear()
        self.tell(order, "updated")

    def note(self, order: Order, text: str, *, for_customer: bool, author: str = "system") -> Note:
        """Write a note, which never moves `date_modified`; one for the customer is mailed."""
        note = Note(self.site.next_id(), self.site.now(), text, for_customer, author)
        order.notes.append(note)
        if for_customer:
            self.books.mail(self.site.name, order.id, "note", text)
        self.tell(order, "updated")
        return note

    def set_meta(self, order: Order, key: str, value: Any, *, number: int | None = None) -> None:
        """Write one entry of meta data, by its id or else its key; a null value removes it."""
        found = next((meta for meta in order.meta if meta.id == number or (number is None and meta.key == key)), None)
        if value is None:
            order.meta = [meta for meta in order.meta if meta is not found]
        elif found is None:
            order.meta.append(Meta(self.site.next_id(), key, value))
        else:
            found.key, found.value = key, value

    def trash(self, order: Order) -> None:
        """Move to the trash: order.deleted is sent with the id alone."""
        order.before_trash, order.status = order.status, TRASH
        order.modified = max(self.site.now(), order.modified)
        order.wire.clear()
        self.tell(order, "deleted")

    def restore(self, order: Order) -> None:
        """Take an order out of the trash."""
        order.status = order.before_trash or "pending"
        order.modified = max(self.site.now(), order.modified)
        order.wire.clear()
        self.tell(order, "restored")

    def erase(self, order: Order) -> None:
        """Delete for good: no webhook tells of it."""
        order.deleted = True
        self.site.gone.append(self.site.orders.pop(order.id))
