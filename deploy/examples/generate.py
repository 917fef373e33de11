#!/usr/bin/env python3
"""One simulated day of a marketplace as event lines: honest people, and what a limiter is for.

usage: generate.py [--seed N] [--out FILE|-]

Lines are sorted by time and have the form that `sluice replay` reads, with one key more: "label" names the attack
a line belongs to; honest lines have none. Only integers are drawn, so a seed gives the same bytes on every Python
from 3.9. The outcomes (failed logins, declined payments, cancelled orders, refunds paid) are recorded whatever a
limiter would have said, as in the history of a shop that had none.
"""
import argparse
import os

from attacks import ATTACKS
from day import HOUR, MERCHANTS, MINUTE, NEW_MERCHANTS, OFFICE, SECOND, SESSIONS, SHOPPING, USERS
from day import Day, Shopper, merchant


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


def pay(day, at, who, amount, device=None):
    """Pays for a basket, with another try or card after a decline; returns when, and whether it worked."""
    for _ in range(3):
        entities = {"user": who.user, "device": device or who.device, "card": day.pick(who.cards)}
        if day.chance(15):
            # The gateway lost the answer and asks again: one payment, one id, counted once.
            payment = f"pay-{at}-{who.user}"
            day.emit(at, "payment.attempt", entities, amount=amount, event_id=payment)
            at += 2 * SECOND
            day.emit(at, "payment.attempt", entities, amount=amount, event_id=payment)
        else:
            day.emit(at, "payment.attempt", entities, amount=amount)
        if not day.chance(45):
            return at + day.between(SECOND, 4 * SECOND), True
        day.emit(at + day.between(300, 2 * SECOND), "payment.declined", entities, amount=amount, record=True)
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
    amount = day.price()
    at, paid = pay(day, at, who, amount, device)
    if paid:
        entities = {"user": who.user, "device": device or who.device, "merchant": name, "tier": tier}
        day.emit(at, "checkout", {**entities, "market": who.market}, amount=amount)
        if day.chance(25):
            regret = at + day.between(2 * MINUTE, 3 * HOUR)
            day.emit(regret, "order.cancel", {**entities, "market": who.market}, amount=amount, record=True)
    return at + day.between(20 * SECOND, 4 * MINUTE)


def sign_up(day, at, who):
    name = day.new_user()
    newcomer = {"user": name, "email": f"{name}@post.example", "ip": who.ip, "device": f"d-{name}"}
    day.emit(at, "signup", newcomer)
    if day.chance(50):
        day.emit(at + day.between(8 * SECOND, 30 * SECOND), "signup", newcomer)  # the form, once more


def shopping(day, shoppers):
    for _ in range(SESSIONS):
        at = day.moment(SHOPPING)
        who = day.pick(shoppers)
        if day.chance(45):
            sign_up(day, at, who)
            continue
        if day.chance(900):
            at = log_in(day, at, who)
        if day.chance(480):
            baskets = 1 if day.chance(780) else day.between(2, 4)
            for _ in range(baskets):
                at = buy(day, at, who, merchant(day))
        elif day.chance(60):
            refund(day, at, who, day.pick(["not-received", "not-as-described", "changed-mind", "changed-mind"]))
        elif day.chance(140):
            name, _ = merchant(day)
            day.emit(at, "review.post", {"user": who.user, "device": who.device, "merchant": name})


def refund(day, at, who, reason):
    items = 1 if day.chance(850) else day.between(2, 3)
    name, tier = merchant(day)
    for _ in range(items):
        entities = {"user": who.user, "payout": who.payout, "merchant": name, "tier": tier, "reason": reason}
        amount = day.price()
        day.emit(at, "refund.request", entities, amount=amount)
        if day.chance(800):
            day.emit(at + day.between(20 * MINUTE, 5 * HOUR), "refund.paid", entities, amount=amount, record=True)
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


def companies(day):
    """Four companies furnish offices and buy presents: few orders, large ones."""
    for number in range(1, 5):
        at = 9 * HOUR + day.below(5 * HOUR)
        for _ in range(day.between(4, 7)):
            name, tier = merchant(day)
            entities = {"user": f"biz-{number}", "device": f"d-biz{number}", "merchant": name, "tier": tier}
            day.emit(at, "checkout", {**entities, "market": "SG"}, amount=day.between(300, 1_200) * 100)
            at += day.between(3 * MINUTE, 40 * MINUTE)


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
        who = day.pick(shoppers)
        entities = {"user": who.user, "payout": who.payout, "merchant": "m77", "tier": "standard"}
        at = day.moment(SHOPPING)
        day.emit(at, "refund.request", {**entities, "reason": "not-received"}, amount=day.price())


def monitoring(day):
    """A synthetic order every fifteen minutes, in a test shop and in a real one by turns."""
    for minute in range(0, 24 * 60, 15):
        shop = "m-test-sg" if minute % 30 == 0 else "m-mall"
        entities = {"user": "probe", "merchant": shop, "tier": "standard", "market": "SG"}
        day.emit(minute * MINUTE + 7 * SECOND, "checkout", entities, amount=995)


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
        at, paid = pay(day, at, who, 4_995)
        if paid:
            entities = {"user": who.user, "device": who.device, "merchant": "m-flagship", "tier": "flagship"}
            day.emit(at, "checkout", {**entities, "market": who.market}, amount=4_995)


def simulate(seed):
    day = Day(seed)
    shoppers = [Shopper(number) for number in range(USERS)]
    shopping(day, shoppers)
    selling(day)
    companies(day)
    call_centre(day, shoppers)
    kiosks(day, shoppers)
    late_parcels(day, shoppers)
    monitoring(day)
    flash_sale(day, shoppers)
    for attack in ATTACKS:
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
