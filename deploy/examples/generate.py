#!/usr/bin/env python3
"""One simulated day of a marketplace as event lines: honest people, and eight things a limiter is for.

usage: generate.py [--seed N] [--out FILE|-]

Lines are sorted by time and have the form that `sluice replay` reads, with one key more: "label" names the attack
a line belongs to; honest lines have none. Only integers are drawn, so a seed gives the same bytes on every Python
from 3.9. The outcomes (failed logins, declined payments) are recorded whatever a limiter would have said, as in the
history of a shop that had none.
"""
import argparse
import json
import os
import random

DAY_START = 1_772_409_600_000  # Monday 2026-03-02 00:00 UTC
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

# How busy each hour is, from midnight: quiet nights, a lunch break, a long evening.
SHOPPING = [10, 6, 4, 3, 3, 5, 10, 20, 30, 36, 40, 46, 58, 52, 44, 42, 44, 52, 66, 80, 88, 78, 52, 26]
OFFICE = [0, 0, 0, 0, 0, 0, 0, 2, 18, 24, 22, 18, 10, 18, 22, 22, 18, 8, 2, 0, 0, 0, 0, 0]

USERS = 4_200
SESSIONS = 5_000
MERCHANTS = 160
NEW_MERCHANTS = 12  # m1 ... m12 have been here for a few days only
MARKETS = ["SG", "SG", "SG", "MY", "MY", "ID"]


class Day:
    """The events of one day, and the one source of chance for all of them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.events = []
        self.signups = 0

    def below(self, bound):
        return self.random.randrange(bound)

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def chance(self, per_mille):
        return self.below(1_000) < per_mille

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def moment(self, hours):
        """A time of the day, in ms from midnight, drawn by the weight of its hour."""
        draw = self.below(sum(hours))
        hour = 0
        while draw >= hours[hour]:
            draw -= hours[hour]
            hour += 1
        return hour * HOUR + self.below(HOUR)

    def new_user(self):
        self.signups += 1
        return f"n{self.signups}"

    def emit(self, at, action, entities, cost=1, record=False, label=None):
        event = {"at": DAY_START + at, "action": action, "entities": entities, "cost": cost}
        if record:
            event["mode"] = "record"
        if label is not None:
            event["label"] = label
        self.events.append(event)

    def lines(self):
        """The day in the order of time; what happened in the same millisecond stays in the order of emission."""
        within = [event for event in self.events if event["at"] < DAY_START + 24 * HOUR]
        within.sort(key=lambda event: event["at"])
        return [json.dumps(event, separators=(",", ":")) + "\n" for event in within]


class Shopper:
    """A customer: an account, a device, an address that may be shared, a card or two."""

    def __init__(self, number):
        self.user = f"u{number}"
        self.device = f"d{number}"
        self.cards = [f"c{number}a", f"c{number}b"] if number % 3 == 0 else [f"c{number}a"]
        self.market = MARKETS[number % len(MARKETS)]
        if number % 40 == 0:
            self.ip = "198.51.100.7"  # an office of a hundred people
        elif number % 10 == 1:
            self.ip = f"198.18.0.{number // 10 % 6}"  # a mobile carrier, seventy customers an address
        else:
            home = number // 2  # two accounts a household
            self.ip = f"100.{64 + home // 65_536}.{home // 256 % 256}.{home % 256}"


def merchant(day):
    """A shop and its tier. The flagships sell a tenth of everything, new shops next to nothing."""
    if day.chance(100):
        return day.pick(["m-flagship", "m-mall"]), "flagship"
    if day.chance(15):
        return f"m{day.between(1, NEW_MERCHANTS)}", "new"
    return f"m{day.between(NEW_MERCHANTS + 1, MERCHANTS)}", "standard"


# ------------------------------------------------------------------------------------------------ honest people


def log_in(day, at, who, fail_per_mille=90):
    """Tries to log in until it works, or it has failed seven times; returns when it was over."""
    fails = fail_per_mille
    for _ in range(7):
        entities = {"user": who.user, "ip": who.ip, "device": who.device}
        day.emit(at, "login", entities)
        if not day.chance(fails):
            break
        day.emit(at + day.between(60, 400), "login.failed", entities, record=True)
        at += day.between(6 * SECOND, 40 * SECOND)
        fails = 330  # who has failed once is more likely to fail again
    return at + day.between(5 * SECOND, 90 * SECOND)


def pay(day, at, who, device=None):
    """Pays for a basket, with another try or card after a decline; returns when, and whether it worked."""
    for _ in range(3):
        entities = {"user": who.user, "device": device or who.device, "card": day.pick(who.cards)}
        day.emit(at, "payment.attempt", entities)
        if not day.chance(45):
            return at + day.between(SECOND, 4 * SECOND), True
        day.emit(at + day.between(300, 2 * SECOND), "payment.declined", entities, record=True)
        at += day.between(15 * SECOND, 80 * SECOND)
    return at, False


def buy(day, at, who, shop, device=None):
    """One basket: perhaps a coupon, a payment, the order. Returns when it was over."""
    name, tier = shop
    if day.chance(260):
        coupon = day.pick(["welcome10", "freeship", "freeship", f"{name}-5off", f"{name}-5off"])
        if day.chance(30):
            coupon = f"ref-{day.between(1, 400)}"
        day.emit(at, "coupon.redeem", {"user": who.user, "device": device or who.device, "coupon": coupon})
        at += day.between(4 * SECOND, 40 * SECOND)
    at, paid = pay(day, at, who, device)
    if paid:
        entities = {"user": who.user, "device": device or who.device, "merchant": name, "tier": tier}
        day.emit(at, "checkout", {**entities, "market": who.market})
    return at + day.between(20 * SECOND, 4 * MINUTE)


def shopping(day, shoppers):
    for _ in range(SESSIONS):
        at = day.moment(SHOPPING)
        who = day.pick(shoppers)
        if day.chance(45):
            newcomer = {"user": day.new_user(), "ip": who.ip, "device": f"d-{day.signups}"}
            day.emit(at, "signup", newcomer)
            continue
        if day.chance(900):
            at = log_in(day, at, who)
        if day.chance(480):
            baskets = 1 if day.chance(780) else day.between(2, 4)
            for _ in range(baskets):
                at = buy(day, at, who, merchant(day))
        elif day.chance(60):
            refund(day, at, who, day.pick(["not-received", "not-as-described", "changed-mind", "changed-mind"]))


def refund(day, at, who, reason):
    items = 1 if day.chance(850) else day.between(2, 3)
    name, tier = merchant(day)
    for _ in range(items):
        day.emit(at, "refund.request", {"user": who.user, "merchant": name, "tier": tier, "reason": reason})
        at += day.between(15 * SECOND, 60 * SECOND)


def selling(day):
    """Merchants list goods in office hours, one by one or in bulk uploads, whose cost is the number of items."""
    for number in range(1, MERCHANTS + 1):
        tier = "new" if number <= NEW_MERCHANTS else "standard"
        at = day.moment(OFFICE)
        for _ in range(day.between(0, 6)):
            bulk = tier != "new" and day.chance(60)
            day.emit(
                at,
                "listing.create",
                {"user": f"seller{number}", "merchant": f"m{number}", "tier": tier},
                cost=day.between(5, 20) if bulk else 1,
            )
            at += day.between(MINUTE, 25 * MINUTE)
    for _ in range(150):
        shop = day.pick(["m-flagship", "m-mall"])
        entities = {"user": "seller-" + shop, "merchant": shop, "tier": "flagship"}
        day.emit(day.moment(OFFICE), "listing.create", entities, cost=day.between(1, 10))


def call_centre(day, shoppers):
    """Agents at one address log in for customers who have forgotten everything."""
    for _ in range(140):
        who = day.pick(shoppers)
        entities = {"user": who.user, "ip": "192.0.2.10"}
        at = day.moment(OFFICE)
        day.emit(at, "login", entities)
        if day.chance(450):
            day.emit(at + 250, "login.failed", entities, record=True)


def kiosks(day, shoppers):
    """Two counter tablets where customers pay for what they pick up."""
    for kiosk in ("kiosk-1", "kiosk-2"):
        for _ in range(90):
            buy(day, day.moment(OFFICE), day.pick(shoppers), ("m-mall", "flagship"), device=kiosk)


def late_parcels(day, shoppers):
    """A merchant whose carrier is on strike: honest customers ask for their money."""
    for _ in range(9):
        entities = {"user": day.pick(shoppers).user, "merchant": "m77", "tier": "standard", "reason": "not-received"}
        day.emit(day.moment(SHOPPING), "refund.request", entities)


def monitoring(day):
    """A synthetic order every five minutes, and one in a test shop."""
    for minute in range(0, 24 * 60, 5):
        shop = "m-test-sg" if minute % 10 == 0 else "m-mall"
        entities = {"user": "probe", "merchant": shop, "tier": "standard", "market": "SG"}
        day.emit(minute * MINUTE + 7 * SECOND, "checkout", entities)


def flash_sale(day, shoppers):
    """Eight in the evening at the flagship: a third of the orders in the first minute, the rest in seven more."""
    opening = 20 * HOUR
    buyers = list(shoppers)
    for number in range(900):
        other = number + day.below(len(buyers) - number)
        buyers[number], buyers[other] = buyers[other], buyers[number]
        who = buyers[number]
        at = opening + (day.below(50 * SECOND) if number < 330 else MINUTE + day.below(7 * MINUTE))
        if day.chance(450):
            # They wait in front of the door: most are logged in when it opens.
            log_in(day, at - day.between(2 * MINUTE, 25 * MINUTE), who)
        at, paid = pay(day, at, who)
        if paid:
            entities = {"user": who.user, "device": who.device, "merchant": "m-flagship", "tier": "flagship"}
            day.emit(at, "checkout", {**entities, "market": who.market})


# ------------------------------------------------------------------------------------------------------ attacks


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


def simulate(seed):
    day = Day(seed)
    shoppers = [Shopper(number) for number in range(USERS)]
    shopping(day, shoppers)
    selling(day)
    call_centre(day, shoppers)
    kiosks(day, shoppers)
    late_parcels(day, shoppers)
    monitoring(day)
    flash_sale(day, shoppers)
    for attack in (
        credential_stuffing,
        password_guessing,
        card_testing,
        coupon_farm,
        signup_farm,
        refund_abuse,
        listing_spam,
        login_hammering,
    ):
        attack(day)
    return day.lines()


def main():
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "marketplace.ndjson")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=20260302, help="another seed, another day (default: %(default)s)")
    parser.add_argument("--out", default=beside, help="where to write, - for standard output (default: beside me)")
    arguments = parser.parse_args()
    lines = simulate(arguments.seed)
    if arguments.out == "-":
        print("".join(lines), end="")
        return
    with open(arguments.out, "w", encoding="ascii", newline="\n") as file:
        file.writelines(lines)


if __name__ == "__main__":
    main()
