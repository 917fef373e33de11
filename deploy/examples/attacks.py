"""What a limiter is for: one function for each attack of the day, its label on every line.

The outcomes (failed logins, declines, cancellations, refunds paid) are recorded whatever a limiter would have said.
"""
from day import HOUR, MINUTE, SECOND, USERS, merchant


def credential_stuffing(day):
    """Leaked passwords, one try on each of 420 accounts, from four addresses and two networks, before dawn."""
    for number in range(420):
        at = 3 * HOUR + 10 * MINUTE + number * 3 * SECOND + day.below(2 * SECOND)
        source = number % 6
        # A rented server has a whole /64 and takes another address of it for every try.
        ip = f"203.0.113.{10 + source}" if source < 4 else f"2001:DB8:bad:{source}::{day.between(1, 65_535):x}"
        entities = {"user": f"u{day.below(USERS)}", "ip": ip, "device": f"d-headless{source}"}
        day.emit(at, "login", entities, label="credential-stuffing")
        if not day.chance(20):
            day.emit(at + 180, "login.failed", entities, record=True, label="credential-stuffing")


def password_guessing(day):
    """One account that is worth it, 120 guesses from thirty addresses, for two hours."""
    at = 13 * HOUR + 5 * MINUTE
    for number in range(120):
        at += day.between(30 * SECOND, 80 * SECOND)
        entities = {"user": "u1717", "ip": f"203.0.113.{100 + number % 30}", "device": f"d-guess{number % 9}"}
        day.emit(at, "login", entities, label="password-guessing")
        day.emit(at + 200, "login.failed", entities, record=True, label="password-guessing")


def login_hammering(day):
    """A broken script logs in four times a second from one address, with a password that is right."""
    for number in range(240):
        at = 17 * HOUR + 45 * MINUTE + number * 250 + day.below(100)
        entities = {"user": "u2500", "ip": "203.0.113.77", "device": "d-script"}
        day.emit(at, "login", entities, label="login-hammering")


def known_network(day):
    """A hosting company that has never sent a customer looks around."""
    at = 6 * HOUR
    for number in range(60):
        at += day.between(20 * SECOND, 4 * MINUTE)
        entities = {"user": f"u{day.below(USERS)}", "ip": f"192.0.2.{128 + day.below(120)}", "device": f"d-vm{number}"}
        day.emit(at, "login", entities, label="known-network")


def signup_farm(day):
    """A hundred and sixty accounts from twelve devices, with ten mailboxes in ever new spelling."""
    at = 1 * HOUR
    for number in range(160):
        at += day.between(30 * SECOND, 90 * SECOND)
        mailbox = f"fresh.start{number % 10}@mail.example"
        spelling = day.below(1 << 11)
        email = "".join(c.upper() if spelling >> i & 1 else c for i, c in enumerate(mailbox[:11])) + mailbox[11:]
        entities = {"user": f"bot{number}", "email": email, "ip": f"203.0.113.{200 + number % 4}"}
        day.emit(at, "signup", {**entities, "device": f"d-rig{number % 12}"}, label="signup-farm")


def welcome_farm(day):
    """Thirty accounts on one phone, each with its own welcome coupon."""
    at = 10 * HOUR + 15 * MINUTE
    for number in range(30):
        at += day.between(2 * MINUTE, 9 * MINUTE)
        entities = {"user": f"fresh{number}", "device": "d-farmer", "coupon": "welcome10"}
        day.emit(at, "coupon.redeem", entities, label="welcome-farm")


def coupon_farm(day):
    """Forty phones on a shelf redeem one referral code, three fresh accounts on each."""
    for number in range(120):
        at = 15 * HOUR + 20 * MINUTE + number * 20 * SECOND + day.below(15 * SECOND)
        entities = {"user": f"farm{number}", "device": f"d-shelf{number % 40}", "coupon": "ref-7k2q"}
        day.emit(at, "coupon.redeem", entities, label="coupon-farm")


def card_testing(day):
    """Seventy stolen cards on one device in half an hour, a dollar each; four in five are declined."""
    at = 4 * HOUR + 40 * MINUTE
    for number in range(70):
        at += day.between(12 * SECOND, 40 * SECOND)
        entities = {"user": f"u{900 + number % 3}x", "device": "d-tester", "card": f"stolen{number}"}
        day.emit(at, "payment.attempt", entities, amount=100, label="card-testing")
        if day.chance(800):
            day.emit(at + 900, "payment.declined", entities, amount=100, record=True, label="card-testing")


def card_sharing(day):
    """One stolen number, sold many times: paid with on thirty devices before its bank hears of it."""
    at = 21 * HOUR + 30 * MINUTE
    for number in range(30):
        at += day.between(MINUTE, 3 * MINUTE)
        entities = {"user": f"mule{number}", "device": f"d-mule{number}", "card": "stolen-gold"}
        day.emit(at, "payment.attempt", entities, amount=day.between(40, 90) * 100, label="card-sharing")


def scripted_buying(day):
    """A script wants the sale's shoes before people do: forty orders in four minutes."""
    at = 20 * HOUR
    for _ in range(40):
        at += day.between(4 * SECOND, 8 * SECOND)
        entities = {"user": "u3333", "device": "d-sniper", "merchant": "m-flagship", "tier": "flagship", "market": "SG"}
        day.emit(at, "checkout", entities, amount=4_995, label="scripted-buying")


def spending_spree(day):
    """An account taken over, its stored card still good: eighteen phones in an hour."""
    at = 2 * HOUR + 5 * MINUTE
    for _ in range(18):
        at += day.between(90 * SECOND, 4 * MINUTE)
        entities = {"user": "u812", "device": "d-stranger", "merchant": "m-mall", "tier": "flagship", "market": "SG"}
        day.emit(at, "checkout", entities, amount=89_900, label="spending-spree")


def stock_hoarding(day):
    """A competitor orders a shop empty, cash on delivery, and cancels before anything is shipped."""
    at = 9 * HOUR + 40 * MINUTE
    for _ in range(30):
        at += day.between(6 * MINUTE, 14 * MINUTE)
        entities = {"user": "rival", "device": "d-rival", "merchant": "m31", "tier": "standard", "market": "MY"}
        day.emit(at, "checkout", entities, amount=7_995, label="stock-hoarding")
        wait = day.between(3 * MINUTE, 12 * MINUTE)
        day.emit(at + wait, "order.cancel", entities, amount=7_995, record=True, label="stock-hoarding")


def listing_spam(day):
    """A shop of three days fills the catalogue."""
    at = 11 * HOUR + 30 * MINUTE
    for _ in range(180):
        at += day.between(8 * SECOND, 25 * SECOND)
        entities = {"user": "seller-nova", "merchant": "m-nova", "tier": "new"}
        day.emit(at, "listing.create", entities, label="listing-spam")


def ask_and_get(day, at, who, amount, label):
    """A request for a refund, and the refund, which an agent grants twenty minutes later."""
    name, tier = merchant(day)
    entities = {**who, "merchant": name, "tier": tier, "reason": "not-as-described"}
    day.emit(at, "refund.request", entities, amount=amount, label=label)
    day.emit(at + 20 * MINUTE, "refund.paid", entities, amount=amount, record=True, label=label)


def refund_abuse(day):
    """Three accounts want their money back for everything, all day."""
    for account in range(3):
        at = 9 * HOUR + account * 20 * MINUTE
        who = {"user": f"u{4000 + account}", "payout": f"b-own{account}"}
        for _ in range(14):
            at += day.between(10 * MINUTE, 55 * MINUTE)
            ask_and_get(day, at, who, day.between(80, 200) * 100, "refund-abuse")


def refund_ring(day):
    """Twenty-four accounts, modest each, whose refunds all go to three bank accounts."""
    at = 12 * HOUR
    for number in range(48):
        at += day.between(4 * MINUTE, 11 * MINUTE)
        who = {"user": f"ring{number % 24}", "payout": f"b-ring{number % 3}"}
        ask_and_get(day, at, who, day.between(30, 90) * 100, "refund-ring")


def review_ring(day):
    """Forty bought accounts on four emulators praise one shop."""
    at = 22 * HOUR
    for number in range(40):
        at += day.between(20 * SECOND, 2 * MINUTE)
        entities = {"user": f"praise{number}", "device": f"emulator-{number % 4}", "merchant": "m88"}
        day.emit(at, "review.post", entities, label="review-ring")


ATTACKS = (
    credential_stuffing,
    password_guessing,
    login_hammering,
    known_network,
    signup_farm,
    welcome_farm,
    coupon_farm,
    card_testing,
    card_sharing,
    scripted_buying,
    spending_spree,
    stock_hoarding,
    listing_spam,
    refund_abuse,
    refund_ring,
    review_ring,
)
