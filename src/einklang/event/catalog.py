"""The events known out of the box: Segment's ecommerce, e-mail, lifecycle, B2B and mobile specs, and Einklang's own.

Types: string number money bool timestamp date map list(string) list(map). A guide for completion and hints: where data
says otherwise, the data counts. Source: the public Segment specs (ecommerce v2, email, mobile lifecycle, B2B SaaS), and
language.md 7.
"""

from __future__ import annotations

_PRODUCT = {
    "product_id": "string",
    "sku": "string",
    "category": "string",
    "name": "string",
    "brand": "string",
    "variant": "string",
    "price": "money",
    "quantity": "number",
    "coupon": "string",
    "position": "number",
    "url": "string",
    "image_url": "string",
}
_IN_CART = {**_PRODUCT, "cart_id": "string"}
_PROMOTION = {"promotion_id": "string", "creative": "string", "name": "string", "position": "string"}
_ORDER = {
    "checkout_id": "string",
    "order_id": "string",
    "affiliation": "string",
    "total": "money",
    "subtotal": "money",
    "revenue": "money",
    "shipping": "money",
    "tax": "money",
    "discount": "money",
    "coupon": "string",
    "currency": "string",
    "products": "list(map)",
}
_STEP = {"checkout_id": "string", "step": "number", "shipping_method": "string", "payment_method": "string"}
_COUPON = {
    "order_id": "string",
    "cart_id": "string",
    "coupon_id": "string",
    "coupon_name": "string",
    "discount": "money",
}
_LIST = {"list_id": "string", "category": "string", "products": "list(map)"}
_EMAIL = {
    "email_id": "string",
    "email_subject": "string",
    "campaign_id": "string",
    "campaign_name": "string",
    "link_id": "string",
    "link_url": "string",
}
_PUSH = {"campaign": "map", "action": "string", "identifier": "string"}
_REACTION = {
    "channel": "string",
    "message": "string",
    "message_id": "string",
    "journey": "string",
    "step": "string",
    "campaign": "string",
    "purpose": "string",
    "url": "string",
    "address": "string",
}
_CONSENT = {
    "channel": "string",
    "address": "string",
    "purpose": "string",
    "source": "string",
    "wording": "string",
    "evidence": "string",
    "expires_at": "timestamp",
}
_CONTRACT = {
    "contract_id": "string",
    "product_id": "string",
    "name": "string",
    "starts_at": "timestamp",
    "ends_at": "timestamp",
    "notice_until": "timestamp",
    "annual_value": "money",
    "price": "money",
    "interval": "string",
    "currency": "string",
}
_INVOICE = {
    "invoice_id": "string",
    "amount": "money",
    "amount_due": "money",
    "due_at": "timestamp",
    "order_id": "string",
    "contract_id": "string",
    "currency": "string",
}
_PAYMENT = {
    "payment_id": "string",
    "invoice_id": "string",
    "order_id": "string",
    "amount": "money",
    "method": "string",
    "currency": "string",
}
_DELIVERY = {
    "delivery_id": "string",
    "order_id": "string",
    "carrier": "string",
    "tracking_number": "string",
    "expected_at": "timestamp",
    "products": "list(map)",
}
_SERVICE = {
    "service_order_id": "string",
    "subject": "string",
    "product_id": "string",
    "serial_number": "string",
    "planned_at": "timestamp",
    "branch": "string",
    "total": "money",
    "currency": "string",
}
_OWNED = {
    "product_id": "string",
    "serial_number": "string",
    "name": "string",
    "category": "string",
    "brand": "string",
    "warranty_until": "timestamp",
}
_APPOINTMENT = {
    "appointment_id": "string",
    "starts_at": "timestamp",
    "ends_at": "timestamp",
    "subject": "string",
    "branch": "string",
    "employee": "string",
}
_REASON = {"reason": "string"}
_ACCOUNT = {"account_name": "string", "context": "map"}

#: Segment's events: name -> property -> type.
SEGMENT_EVENTS: dict[str, dict[str, str]] = {
    "Products Searched": {"query": "string"},
    "Product List Viewed": _LIST,
    "Product List Filtered": {**_LIST, "filters": "list(map)", "sorts": "list(map)"},
    "Promotion Viewed": _PROMOTION,
    "Promotion Clicked": _PROMOTION,
    "Product Clicked": _PRODUCT,
    "Product Viewed": {**_PRODUCT, "currency": "string", "value": "money"},
    "Product Added": _IN_CART,
    "Product Removed": _IN_CART,
    "Cart Viewed": {"cart_id": "string", "products": "list(map)"},
    "Checkout Started": {**_ORDER, "value": "money"},
    "Checkout Step Viewed": _STEP,
    "Checkout Step Completed": _STEP,
    "Payment Info Entered": {**_STEP, "order_id": "string"},
    "Order Completed": _ORDER,
    "Order Updated": _ORDER,
    "Order Refunded": _ORDER,
    "Order Cancelled": _ORDER,
    "Coupon Entered": _COUPON,
    "Coupon Applied": _COUPON,
    "Coupon Denied": {**_COUPON, "reason": "string"},
    "Coupon Removed": _COUPON,
    "Product Added to Wishlist": {**_PRODUCT, "wishlist_id": "string", "wishlist_name": "string"},
    "Product Removed from Wishlist": {**_PRODUCT, "wishlist_id": "string", "wishlist_name": "string"},
    "Wishlist Product Added to Cart": {**_IN_CART, "wishlist_id": "string", "wishlist_name": "string"},
    "Product Shared": {**_PRODUCT, "share_via": "string", "share_message": "string", "recipient": "string"},
    "Cart Shared": {"cart_id": "string", "share_via": "string", "products": "list(map)"},
    "Product Reviewed": {"product_id": "string", "review_id": "string", "review_body": "string", "rating": "number"},
    "Email Delivered": _EMAIL,
    "Email Opened": _EMAIL,
    "Email Link Clicked": _EMAIL,
    "Email Bounced": _EMAIL,
    "Email Marked as Spam": _EMAIL,
    "Unsubscribed": {**_EMAIL, "list_id": "string", "list_name": "string"},
    "Application Installed": {"version": "string", "build": "string"},
    "Application Opened": {"from_background": "bool", "url": "string", "version": "string", "build": "string"},
    "Application Backgrounded": {},
    "Application Updated": {"previous_version": "string", "version": "string", "build": "string"},
    "Application Uninstalled": {},
    "Application Crashed": {},
    "Deep Link Opened": {"provider": "string", "url": "string"},
    "Deep Link Clicked": {"provider": "string", "url": "string"},
    "Install Attributed": {"provider": "string", "campaign": "map"},
    "Push Notification Received": _PUSH,
    "Push Notification Tapped": _PUSH,
    "Push Notification Bounced": _PUSH,
    "Account Created": _ACCOUNT,
    "Account Deleted": _ACCOUNT,
    "Signed Up": {"type": "string", "first_name": "string", "last_name": "string", "email": "string"},
    "Signed In": {"username": "string"},
    "Signed Out": {"username": "string"},
    "Invite Sent": {"invitee_email": "string", "invitee_role": "string"},
    "Account Added User": {"role": "string"},
    "Account Removed User": {},
    "Trial Started": {"trial_start_date": "timestamp", "trial_end_date": "timestamp", "trial_plan_name": "string"},
    "Trial Ended": {"trial_start_date": "timestamp", "trial_end_date": "timestamp", "trial_plan_name": "string"},
}

_DRAFT = {"draft_id": "string", "form": "string", "fields": "map", "version": "number", "by": "string"}

#: Einklang's own: recorded by the engine, or by what comes back over its links and channels.
OWN_EVENTS: dict[str, dict[str, str]] = {
    "Page Viewed": {"name": "string", "category": "string", "path": "string", "url": "string", "title": "string"},
    "Screen Viewed": {"name": "string", "category": "string"},
    "Segment Entered": {"segment": "string"},
    "Segment Left": {"segment": "string"},
    "Segment Listed": {"segment": "string", "by": "string"},
    "Segment Unlisted": {"segment": "string", "by": "string"},
    "Stage Changed": {"stage": "string", "from": "string", "to": "string"},
    "Stage Noted": {"stage": "string", "name": "string", "why": "string", "by": "string"},
    "Journey Entered": {"journey": "string", "version": "number", "run": "string", "key": "string"},
    "Journey Left": {"journey": "string", "version": "number", "run": "string", "key": "string", "reason": "string"},
    "Contact Decided": {**_REACTION, "run": "string", "verdict": "string", "reason": "string", "until": "timestamp"},
    "Message Sent": _REACTION,
    "Message Delivered": _REACTION,
    "Message Opened": _REACTION,
    "Message Clicked": _REACTION,
    "Message Replied": _REACTION,
    "Message Bounced": {**_REACTION, "kind": "string", "reason": "string"},
    "Message Failed": {**_REACTION, "reason": "string"},
    "Message Complained": _REACTION,
    "Message Unsubscribed": _REACTION,
    "Consent Requested": _CONSENT,
    "Consent Given": {**_CONSENT, "expires_at": "timestamp"},
    "Consent Withdrawn": _CONSENT,
    "Voucher Issued": {"voucher": "string", "code": "string", "value": "money", "expires_at": "timestamp"},
    "Voucher Redeemed": {"voucher": "string", "code": "string", "value": "money", "order_id": "string"},
    "Case Opened": {"process": "string", "case_id": "string", "key": "string"},
    "Case Advanced": {"process": "string", "case_id": "string", "key": "string", "step": "string"},
    "Case Closed": {"process": "string", "case_id": "string", "key": "string", "outcome": "string"},
    "Draft Saved": _DRAFT,
    "Draft Closed": {**_DRAFT, "outcome": "string"},
    "Task Done": {"task": "string", "team": "string", "case_id": "string", "outcome": "string"},
    "Person Merged": {"loser": "string", "winner": "string"},
    "Person Split": {"from_person": "string", "to_person": "string"},
    "Definition Changed": {"kind": "string", "id": "string", "version": "number"},
}

#: What the business objects that are built in are made of (profile.object_kinds); Segment names none of these.
OBJECT_EVENTS: dict[str, dict[str, str]] = {
    "Order Shipped": {"order_id": "string"},
    "Order Delivered": {"order_id": "string"},
    "Contract Signed": _CONTRACT,
    "Contract Renewed": _CONTRACT,
    "Contract Changed": _CONTRACT,
    "Contract Paused": _CONTRACT,
    "Contract Resumed": _CONTRACT,
    "Contract Cancelled": {**_CONTRACT, **_REASON},
    "Contract Ended": {**_CONTRACT, **_REASON},
    "Invoice Issued": _INVOICE,
    "Invoice Changed": _INVOICE,
    "Invoice Overdue": {**_INVOICE, "days_overdue": "number"},
    "Invoice Paid": _INVOICE,
    "Invoice Cancelled": _INVOICE,
    "Invoice Written Off": _INVOICE,
    "Payment Received": _PAYMENT,
    "Payment Failed": {**_PAYMENT, **_REASON},
    "Payment Returned": {**_PAYMENT, **_REASON},
    **{f"Delivery {what}": _DELIVERY for what in ("Announced", "Shipped", "Delayed", "Delivered", "Failed")},
    "Delivery Returned": _DELIVERY,
    **{f"Service Order {what}": _SERVICE for what in ("Opened", "Planned", "Changed", "Done", "Cancelled")},
    "Product Registered": _OWNED,
    "Product Disposed": _OWNED,
    **{f"Appointment {what}": _APPOINTMENT for what in ("Booked", "Moved", "Kept", "Missed", "Cancelled")},
}

KNOWN_EVENTS: dict[str, dict[str, str]] = {**SEGMENT_EVENTS, **OBJECT_EVENTS, **OWN_EVENTS}
