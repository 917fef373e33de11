"""What the simulated day is made of: its clock, its one source of chance, its shoppers and its shops."""
import json
import random

DAY_START = 1_772_409_600_000  # Monday 2026-03-02 00:00 UTC
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

# How busy each hour is, from midnight: quiet nights, a lunch break, a long evening.
SHOPPING = [10, 6, 4, 3, 3, 5, 10, 20, 30, 36, 40, 46, 58, 52, 44, 42, 44, 52, 66, 80, 88, 78, 52, 26]
OFFICE = [0, 0, 0, 0, 0, 0, 0, 2, 18, 24, 22, 18, 10, 18, 22, 22, 18, 8, 2, 0, 0, 0, 0, 0]

USERS = 4_200
SESSIONS = 4_800
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

    def price(self):
        """What a basket costs, in cents: mostly small change, now and then a phone."""
        if self.chance(40):
            return self.between(150, 900) * 100
        return self.between(4, 120) * 100 - 5

    def new_user(self):
        self.signups += 1
        return f"n{self.signups}"

    def emit(self, at, action, entities, cost=1, amount=0, record=False, event_id=None, label=None):
        event = {"at": DAY_START + at, "action": action, "entities": entities, "cost": cost}
        if amount:
            event["amount"] = amount
        if record:
            event["mode"] = "record"
        if event_id is not None:
            event["event_id"] = event_id
        if label is not None:
            event["label"] = label
        self.events.append(event)

    def lines(self):
        """The day in the order of time; what happened in the same millisecond stays in the order of emission."""
        within = [event for event in self.events if event["at"] < DAY_START + 24 * HOUR]
        within.sort(key=lambda event: event["at"])
        return [json.dumps(event, separators=(",", ":")) + "\n" for event in within]


class Shopper:
    """A customer: an account, a device, an address that may be shared, a card or two, a bank account."""

    def __init__(self, number):
        home = number // 2  # two accounts a household
        self.user = f"u{number}"
        # One household in eight has a tablet for both, nearly all share the account that a refund goes to.
        self.device = f"d-home{home}" if home % 8 == 0 else f"d{number}"
        self.payout = f"b{home}"
        self.cards = [f"c{number}a", f"c{number}b"] if number % 3 == 0 else [f"c{number}a"]
        self.market = MARKETS[number % len(MARKETS)]
        if number % 40 == 0:
            self.ip = "198.51.100.7"  # an office of a hundred people
        elif number % 10 == 1:
            self.ip = f"198.18.0.{number // 10 % 6}"  # a mobile carrier, seventy customers an address
        elif home % 3 == 0:
            # A household with version 6: every device has an address of its own in the household's /64.
            self.ip = f"2001:db8:1:{home:x}::{number % 2 + 1}"
        else:
            self.ip = f"100.{64 + home // 65_536}.{home // 256 % 256}.{home % 256}"


def merchant(day):
    """A shop and its tier. The flagships sell a tenth of everything, new shops next to nothing."""
    if day.chance(100):
        return day.pick(["m-flagship", "m-mall"]), "flagship"
    if day.chance(15):
        return f"m{day.between(1, NEW_MERCHANTS)}", "new"
    return f"m{day.between(NEW_MERCHANTS + 1, MERCHANTS)}", "standard"
