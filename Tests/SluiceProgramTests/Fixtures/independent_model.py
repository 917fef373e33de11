#!/usr/bin/env python3
"""What Sluice decides, computed from its contract alone: no Redis, no slices kept, only what happened and when.

usage: independent_model.py LIMITS.yaml EVENTS.ndjson        (needs PyYAML)

Prints one JSON line per event, in order, as `sluice replay --decisions` writes them. A bad line prints
{"n": N, "error": "..."}; a blank one has no number. Every event is decided at its own `at`.

Each counter is a list of moments (ms, weight). Ticks are computed when somebody asks, and retry_after is found by
asking at later times, so that nothing here shares its method with the service or with the reference model in Swift.
Rules that count anything but events (distinct, sum), block_for and event_id are refused: they are not covered.
"""
import bisect
import json
import re
import sys

import yaml

EXACT = 2**53 - 1
VERDICTS = ["allow", "review", "challenge", "deny"]
UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


# The limits file. Scalars arrive as the text that was written.

def as_list(value):
    return value if isinstance(value, list) else [value]


def integer(text):
    return int(text.replace("_", ""))


def duration_ms(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return int(number) * UNIT_MS[unit]


def read_limits(items):
    limits = []
    for item in items:
        if "block_for" in item:
            sys.exit("block_for is not covered")
        limits.append({
            "max": integer(item["max"]),
            "window": duration_ms(item["window"]),
            "verdict": item.get("verdict", "deny"),
        })
    return limits


def read_conditions(mapping):
    return {dimension: [text.encode() for text in as_list(values)] for dimension, values in mapping.items()}


def read_rules(path):
    with open(path, encoding="utf-8") as file:
        document = yaml.load(file, Loader=yaml.BaseLoader)
    defaults = document.get("defaults", {})
    rules = []
    for item in document["rules"]:
        if item.get("measure", "count") != "count":
            sys.exit(f"the measure of {item['name']} is not covered")

        def setting(key, fallback):
            return integer(item.get(key, defaults.get(key, fallback)))

        overrides = []
        for override in item.get("overrides", []):
            named = {key: value for key, value in override.items() if key not in ("limits", "exempt")}
            exempt = override.get("exempt", "false").lower() == "true"
            overrides.append((read_conditions(named), None if exempt else read_limits(override["limits"])))
        check = [text.encode() for text in as_list(item["check"])]
        rules.append({
            "name": item["name"],
            "check": check,
            "count": [text.encode() for text in as_list(item["count"])] if "count" in item else check,
            "per": as_list(item["per"]),
            "when": read_conditions(item.get("when", {})),
            "limits": read_limits(item["limits"]),
            "attempts": item.get("counting", "admitted") == "attempts",
            "shadow": item.get("shadow", "false").lower() == "true",
            "exact_up_to": setting("exact_up_to", "64"),
            "slices": setting("slices", "60"),
            "overrides": overrides,
        })
    return rules


# Which rules and limits a request meets.

def closeness(patterns, value):
    """(1, 0) for a literal match, (0, bytes) for the longest prefix that matches, None for no match."""
    if any(value == p for p in patterns if not p.endswith(b"*")):
        return (1, 0)
    prefixes = [len(p) - 1 for p in patterns if p.endswith(b"*") and value.startswith(p[:-1])]
    return (0, max(prefixes)) if prefixes else None


def matching(conditions, entities):
    """The closeness of all conditions together, None where one fails or its dimension is missing."""
    total = (0, 0)
    for dimension, patterns in conditions.items():
        found = closeness(patterns, entities[dimension]) if dimension in entities else None
        if found is None:
            return None
        total = (total[0] + found[0], total[1] + found[1])
    return total


def limits_for(rule, entities):
    """The limits that apply, or None where the rule does not."""
    if any(dimension not in entities for dimension in rule["per"]) or matching(rule["when"], entities) is None:
        return None
    candidates = [(matching(conditions, entities), limits) for conditions, limits in rule["overrides"]]
    candidates = [c for c in candidates if c[0] is not None]
    if not candidates:
        return rule["limits"]
    # max() returns the first of equals: file order.
    return max(candidates, key=lambda c: c[0])[1]


# Counters.

class Counter:
    """Moments (ms, weight) in time order, and the tick length they are told by."""

    def __init__(self, window, tick=1, moments=()):
        self.window, self.tick, self.moments = window, tick, list(moments)

    def copy(self):
        return Counter(self.window, self.tick, self.moments)

    def settled(self, now):
        """(this counter as it is read at `now`, the time it is judged at, whether its clock stepped back)"""
        time, stepped = now, False
        moments = self.moments
        if moments:
            last = moments[-1][0] // self.tick * self.tick
            if now < last <= now + max(1000, self.tick):
                time = last
            elif last > now:
                stepped = True
                moments = [(at if at // self.tick <= now // self.tick else now, w) for at, w in moments]
        reach = -(-self.window // self.tick)
        first = bisect.bisect_left(moments, time // self.tick - reach, key=lambda moment: moment[0] // self.tick)
        return Counter(self.window, self.tick, moments[first:]), time, stepped

    def used(self):
        return min(sum(weight for _, weight in self.moments), EXACT)

    def used_at(self, now):
        return self.settled(now)[0].used()

    def first_time(self, now, wanted):
        """The least d > 0 such that wanted(used at now + d), with nothing else happening; wanted(0) holds."""
        # Nothing outlives its window by more than a slice on either side and the second it may lie ahead.
        waits = range(1, self.window + 2 * self.tick + 2000)
        return waits[bisect.bisect_left(waits, True, key=lambda wait: wanted(self.used_at(now + wait)))]

    def with_moment(self, at, now, weight, tick, most_ticks):
        """This counter after `weight` happened at `at`, or None where the window no longer reaches that time."""
        exact = tick is None
        after = self.copy()
        if not after.moments:
            after.tick = tick or 1
        elif after.tick == 1:
            after.tick = tick or 1
        reach = -(-after.window // after.tick)
        if at < 0 or at // after.tick < now // after.tick - reach:
            return None
        place = bisect.bisect_right([moment[0] for moment in after.moments], at)
        after.moments.insert(place, (at, weight))
        if exact and after.tick == 1:
            times = sorted({moment[0] for moment in after.moments})
            if len(times) > most_ticks:
                earliest = times[len(times) - most_ticks]
                after.moments = [(max(moment[0], earliest), moment[1]) for moment in after.moments]
        return after


class Model:
    def __init__(self, rules):
        self.rules = rules
        self.counters = {}

    def decide(self, event):
        now, mode = event["at"], event["mode"]
        entities = {dimension: value for dimension, value in event["entities"].items() if value}
        cost = event["cost"] or 1

        tasks = []
        for rule in self.rules:
            judges = mode != "record" and closeness(rule["check"], event["action"]) is not None
            counts = closeness(rule["count"], event["action"]) is not None
            limits = limits_for(rule, entities) if judges or counts else None
            if limits is None:
                continue
            tuple_key = tuple(sorted((dimension, entities[dimension]) for dimension in rule["per"]))
            counters = {}
            for window in {limit["window"] for limit in limits}:
                stored = self.counters.get((rule["name"], window, tuple_key), Counter(window))
                counters[window] = stored.settled(now)
            trips = []
            weight = cost if counts else 1
            for limit in limits if judges else []:
                used = counters[limit["window"]][0].used()
                if limit["max"] == 0 or used + weight > limit["max"]:
                    trips.append((limit, used))
            tasks.append((rule, limits, tuple_key, counters, counts, weight, trips))

        verdict = max((VERDICTS.index(limit["verdict"]) for rule, *_, trips in tasks if not rule["shadow"]
                       for limit, _ in trips), default=0)

        answers = []
        for rule, limits, tuple_key, counters, counts, weight, trips in tasks:
            own_denial = rule["shadow"] and any(limit["verdict"] == "deny" for limit, _ in trips)
            refused = verdict == 3 or own_denial
            advances = counts and (mode == "record" or mode == "check" and (rule["attempts"] or not refused))
            left = {}
            for window, (counter, time, stepped) in counters.items():
                after = None
                if advances:
                    largest = max(limit["max"] for limit in limits if limit["window"] == window)
                    tick = None if largest <= rule["exact_up_to"] else -(-window // rule["slices"])
                    age = event["age_ms"] if mode == "record" else 0
                    after = counter.with_moment(time - age, time, cost, tick, largest + 1)
                left[window] = after or counter
                if after or (stepped and mode == "check"):
                    self.counters[(rule["name"], window, tuple_key)] = left[window]
            for limit, used in trips:
                retry = None
                if 0 < limit["max"] >= weight:
                    retry = left[limit["window"]].first_time(now, lambda u: u + weight <= limit["max"])
                answers.append({
                    "rule": rule["name"], "window_ms": limit["window"], "max": limit["max"], "used": used,
                    "verdict": limit["verdict"], "shadow": rule["shadow"], "retry_after_ms": retry,
                })
        waits = [a["retry_after_ms"] for a in answers if not a["shadow"] and a["verdict"] == VERDICTS[verdict]]
        retry = None if None in waits else max(waits, default=None)
        return {"verdict": VERDICTS[verdict], "retry_after_ms": retry, "trips": answers}


# The event lines.

class Repeated(Exception):
    pass


def pairs(items):
    keys = [key for key, _ in items]
    if len(set(keys)) != len(keys):
        raise Repeated()
    return dict(items)


def read_event(line):
    """The event of one line; a ValueError says what is wrong with it."""
    try:
        event = json.loads(line.decode("utf-8"), object_pairs_hook=pairs)
    except Repeated:
        raise ValueError("the same key twice") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(event, dict):
        raise ValueError("not an object")

    def whole(key, fallback, most):
        value = event.get(key, fallback)
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"{key} must be a whole number from 0 to {most}")
        return value

    def text(value, what, least, most):
        encoded = value.encode("utf-8") if isinstance(value, str) else b""
        if not isinstance(value, str) or not least <= len(encoded) <= most:
            raise ValueError(f"{what} must be text of {least} to {most} bytes")
        return encoded

    if event.get("event_id", "") != "":
        sys.exit("event_id is not covered")
    entities = event.get("entities", {})
    if not isinstance(entities, dict) or len(entities) > 16:
        raise ValueError("entities must be an object of at most 16")
    for dimension in entities:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", dimension):
            raise ValueError("a dimension must be 1 to 32 of [a-z0-9_]")
    mode = event.get("mode", "check")
    if mode not in ("check", "peek", "record"):
        raise ValueError("mode must be check, peek or record")
    age_ms = whole("age_ms", 0, EXACT)
    if age_ms and mode != "record":
        raise ValueError("only a record has an age_ms")
    whole("amount", 0, EXACT)
    return {
        "at": whole("at", None, EXACT),
        "action": text(event.get("action"), "action", 1, 64),
        "entities": {dimension: text(value, dimension, 0, 256) for dimension, value in entities.items()},
        "cost": whole("cost", 1, 2**31 - 1),
        "mode": mode,
        "age_ms": age_ms,
    }


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model = Model(read_rules(sys.argv[1]))
    with open(sys.argv[2], "rb") as file:
        lines = [line for line in file.read().split(b"\n") if line.strip()]
    for n, line in enumerate(lines):
        try:
            answer = model.decide(read_event(line))
        except ValueError as error:
            answer = {"error": str(error)}
        print(json.dumps({"n": n} | answer))


if __name__ == "__main__":
    main()
