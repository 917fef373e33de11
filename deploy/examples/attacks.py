"""What a limiter is for: one function for each attack of the day, its label on every line.

The outcomes (failed logins, declined payments) are recorded whatever a limiter would have said.
"""
from day import HOUR, MINUTE, SECOND, USERS, merchant


def credential_stuffing(day):
    """Leaked passwords, one try on each of 420 accounts, from six addresses, before dawn."""
    for number in range(420):
        at = 3 * HOUR + 10 * MINUTE + number * 3 * SECOND + day.below(2 * SECOND)
        ip = f"203.0.113.{10 + number % 6}"
        entities = {"user": f"u{day.below(USERS)}", "ip": ip, "device": f"d-headless{number % 6}"}
        day.emit(at, "login", entities, label="credential-stuffing")
        if not day.chance(20):
            day.emit(at + 180, "login.failed", entities, record=True, label="credential-stuffing")


def password_guessing(day):
    """One account that is worth it, ninety guesses from thirty addresses."""
    at = 13 * HOUR + 5 * MINUTE
    for number in range(90):
        at += day.between(20 * SECOND, 70 * SECOND)
        entities = {"user": "u1717", "ip": f"203.0.113.{100 + number % 30}", "device": f"d-guess{number % 9}"}
        day.emit(at, "login", entities, label="password-guessing")
        day.emit(at + 200, "login.failed", entities, record=True, label="password-guessing")


def card_testing(day):
    """Seventy stolen cards on one device in half an hour; four in five are declined."""
    at = 4 * HOUR + 40 * MINUTE
    for number in range(70):
        at += day.between(12 * SECOND, 40 * SECOND)
        entities = {"user": f"u{900 + number % 3}x", "device": "d-tester", "card": f"stolen{number}"}
        day.emit(at, "payment.attempt", entities, label="card-testing")
        if day.chance(800):
            day.emit(at + 900, "payment.declined", entities, record=True, label="card-testing")


def coupon_farm(day):
    """Forty phones on a shelf redeem one referral code, three fresh accounts on each."""
    for number in range(120):
        at = 15 * HOUR + 20 * MINUTE + number * 20 * SECOND + day.below(15 * SECOND)
        entities = {"user": f"farm{number}", "device": f"d-shelf{number % 40}", "coupon": "ref-7k2q"}
        day.emit(at, "coupon.redeem", entities, label="coupon-farm")


def signup_farm(day):
    """A hundred and sixty accounts from four addresses and twelve devices."""
    at = 1 * HOUR
    for number in range(160):
        at += day.between(30 * SECOND, 90 * SECOND)
        entities = {"user": f"bot{number}", "ip": f"203.0.113.{200 + number % 4}", "device": f"d-rig{number % 12}"}
        day.emit(at, "signup", entities, label="signup-farm")


def refund_abuse(day):
    """Three accounts want their money back for everything, all day."""
    for account in range(3):
        at = 9 * HOUR + account * 20 * MINUTE
        for _ in range(14):
            at += day.between(10 * MINUTE, 55 * MINUTE)
            name, tier = merchant(day)
            entities = {"user": f"u{4000 + account}", "merchant": name, "tier": tier, "reason": "not-as-described"}
            day.emit(at, "refund.request", entities, label="refund-abuse")


def listing_spam(day):
    """A shop of three days fills the catalogue."""
    at = 11 * HOUR + 30 * MINUTE
    for _ in range(180):
        at += day.between(8 * SECOND, 25 * SECOND)
        entities = {"user": "seller5", "merchant": "m5", "tier": "new"}
        day.emit(at, "listing.create", entities, label="listing-spam")


def login_hammering(day):
    """A broken script logs in four times a second from one address, with a password that is right."""
    for number in range(240):
        at = 17 * HOUR + 45 * MINUTE + number * 250 + day.below(100)
        entities = {"user": "u2500", "ip": "203.0.113.77", "device": "d-script"}
        day.emit(at, "login", entities, label="login-hammering")


ATTACKS = (
    credential_stuffing,
    password_guessing,
    card_testing,
    coupon_farm,
    signup_farm,
    refund_abuse,
    listing_spam,
    login_hammering,
)
