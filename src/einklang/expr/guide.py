"""What Segment's specs and Einklang itself send, for completion and hints. It binds nothing: where the data says
otherwise, it counts.

Sources: Segment spec "Ecommerce" v2, "Email", "B2B SaaS", "Mobile" (names and properties of their tables); language
reference, section 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from einklang.expr.check import Checked
from einklang.expr.errors import nearest
from einklang.expr.roots import MAIL_ALIASES
from einklang.expr.tree import Term, walk
from einklang.expr.types import Catalog

_PRODUCT = "product_id sku category name brand variant price:money quantity:number coupon position:number url image_url"
_ORDER = (
    "checkout_id order_id affiliation total:money subtotal:money revenue:money shipping:money tax:money "
    "discount:money coupon currency products:list"
)
_MAIL = "email_id email_subject campaign_id campaign_name link_id link_url channel message_id"
_MESSAGE = "channel message message_id journey step campaign purpose url"
_REACTIONS = ("Sent", "Delivered", "Opened", "Clicked", "Replied", "Bounced", "Failed", "Complained", "Unsubscribed")
_CONSENT = "channel purpose address"

#: Event -> properties, `name` or `name:type` (string where none is written). `products` holds products.
_GUIDE: dict[str, str] = {
    "Products Searched": "query",
    "Product List Viewed": "list_id category products:list",
    "Product List Filtered": "list_id category filters:list sorts:list products:list",
    "Promotion Viewed": "promotion_id creative name position",
    "Promotion Clicked": "promotion_id creative name position",
    "Product Clicked": _PRODUCT,
    "Product Viewed": _PRODUCT + " currency value:money",
    "Product Added": _PRODUCT + " cart_id currency",
    "Product Removed": _PRODUCT + " cart_id currency",
    "Cart Viewed": "cart_id products:list",
    "Checkout Started": _ORDER + " value:money",
    "Checkout Step Viewed": "checkout_id step:number shipping_method payment_method",
    "Checkout Step Completed": "checkout_id step:number shipping_method payment_method",
    "Payment Info Entered": "checkout_id order_id step:number shipping_method payment_method",
    "Order Updated": _ORDER,
    "Order Completed": _ORDER,
    "Order Refunded": _ORDER,
    "Order Cancelled": _ORDER,
    "Coupon Entered": "order_id cart_id coupon_id",
    "Coupon Applied": "order_id cart_id coupon_id coupon_name discount:money",
    "Coupon Denied": "order_id cart_id coupon_id coupon_name reason",
    "Coupon Removed": "order_id cart_id coupon_id coupon_name discount:money",
    "Product Added to Wishlist": _PRODUCT + " wishlist_id wishlist_name",
    "Product Removed from Wishlist": _PRODUCT + " wishlist_id wishlist_name",
    "Wishlist Product Added to Cart": _PRODUCT + " wishlist_id wishlist_name cart_id",
    "Product Shared": _PRODUCT + " share_via share_message recipient",
    "Cart Shared": "share_via share_message recipient cart_id products:list",
    "Product Reviewed": "product_id review_id review_body rating",
    "Page Viewed": "name path url title referrer search",
    "Screen Viewed": "name path url",
    "Account Created": "account_name context",
    "Account Deleted": "account_name",
    "Signed Up": "type first_name last_name email phone username title",
    "Signed In": "username",
    "Signed Out": "username",
    "Invite Sent": "invitee_email invitee_first_name invitee_last_name invitee_role",
    "Trial Started": "trial_start_date trial_end_date trial_plan_name",
    "Trial Ended": "trial_start_date trial_end_date trial_plan_name",
    "Application Installed": "version build",
    "Application Opened": "from_background:bool referring_application url version build",
    "Application Updated": "previous_version previous_build version build",
    **dict.fromkeys(MAIL_ALIASES, _MAIL),
    **{f"Message {what}": _MESSAGE for what in _REACTIONS},
    "Consent Requested": _CONSENT,
    "Consent Given": _CONSENT + " expires_at",
    "Consent Withdrawn": _CONSENT,
    "Segment Entered": "segment",
    "Segment Left": "segment",
    "Stage Changed": "stage from to",
    "Stage Noted": "stage name why by",
    "Journey Entered": "journey version key",
    "Case Opened": "process case_id key outcome",
    "Case Advanced": "process case_id key outcome",
    "Case Closed": "process case_id key outcome",
    "Voucher Issued": "voucher code expires_at",
    "Voucher Redeemed": "voucher code value:money order_id touchpoint",
    "Task Done": "task team outcome",
}


def _read(text: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in text.split())
    return {name: kind or "string" for name, _, kind in pairs}


#: Event -> property -> type.
EVENTS: Mapping[str, Mapping[str, str]] = {name: _read(text) for name, text in _GUIDE.items()}
PRODUCT: Mapping[str, str] = _read(_PRODUCT)


def hints(checked: Checked, *, keyed: bool = False, sent: Iterable[str] = ()) -> list[str]:
    """What may be a slip though it types, one line each: to be shown, never refused.

    keyed: the expression belongs to a journey with a key; sent: names of events that the data holds.
    """
    catalog = checked.scope.catalog
    found: list[str] = []
    known = {*EVENTS, *catalog.events, *sent}
    rows: dict[int, tuple[str, ...]] = {0: checked.scope.event_names}
    each: set[int] = set()
    for term in walk(checked.tree):
        if term.op == "events":
            rows[term.data[0]] = term.data[1]
            found.extend(_unknown_event(name, known) for name in term.data[1] if name not in known)
        if term.op == "each":
            each.add(term.data)
    for term in walk(checked.tree):
        # a term of the checker's own has the text of its parent: the alias of an e-mail event asks for the channel
        if term.op == "prop" and checked.source[term.start : term.end].endswith(term.data[1]):
            found.extend(_lacking(term, rows.get(term.data[0], ()), catalog))
    if keyed and rows.keys() != {0} and not re.search(r"\bentry\s*\.\s*key\b", checked.source):
        found.append("the journey has a key, and this does not mention `entry.key`: it looks at all runs of the person")
    return list(dict.fromkeys(found))


def _unknown_event(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"nobody declared or sent `{name}`" + (f"; did you mean `{near}`?" if near else "")


def _lacking(term: Term, names: tuple[str, ...], catalog: Catalog) -> list[str]:
    """A property that none of the events is known to have, where all of them are known."""
    wanted = term.data[1]
    known: set[str] = set()
    for name in names:
        declared = catalog.events.get(name)
        if declared is None and name not in EVENTS:
            return []
        known |= {*EVENTS.get(name, {}), *(declared.properties if declared is not None else ())}
    if not names or wanted in known:
        return []
    shown = names[0]
    if "products" in known and wanted in PRODUCT:
        return [f"`{shown}` has no `{wanted}`; its products have: `products.exists(p, p.{wanted} == ...)`"]
    near = nearest(wanted, known)
    return [f"`{shown}` has no `{wanted}`" + (f"; did you mean `{near}`?" if near else "")]
