import SluiceModel

extension ReferenceModel {
    /// A dimension and its value, as bytes.
    public struct Entity: Hashable, Sendable {
        public var dimension: String
        public var value: [UInt8]

        public init(dimension: String, value: [UInt8]) {
            self.dimension = dimension
            self.value = value
        }
    }

    /// What a list makes of a request, as the service found it.
    public struct Listing: Hashable, Sendable {
        public var kind: ListKind
        /// Of the entity that is on the list.
        public var dimension: String
        /// How much longer it is; nil: for good.
        public var leftMs: UInt64?

        public init(kind: ListKind, dimension: String, leftMs: UInt64? = nil) {
            self.kind = kind
            self.dimension = dimension
            self.leftMs = leftMs
        }
    }

    public struct Request: Sendable {
        public var action: [UInt8]
        /// An empty value is the same as no entity of that dimension.
        public var entities: [(dimension: String, value: [UInt8])]
        /// 0 means 1.
        public var cost: UInt64
        public var amount: UInt64
        public var mode: Mode
        /// How long ago it happened; of a record alone.
        public var ageMs: UInt64
        /// Empty: it is no event that could be repeated or undone. A peek never is one.
        public var eventID: [UInt8]
        /// Of a check or a peek.
        public var listing: Listing?

        public init(
            action: [UInt8],
            entities: [(dimension: String, value: [UInt8])] = [],
            cost: UInt64 = 1,
            amount: UInt64 = 0,
            mode: Mode = .check,
            ageMs: UInt64 = 0,
            eventID: [UInt8] = [],
            listing: Listing? = nil
        ) {
            self.action = action
            self.entities = entities
            self.cost = cost
            self.amount = amount
            self.mode = mode
            self.ageMs = ageMs
            self.eventID = eventID
            self.listing = listing
        }
    }

    /// Why there is a trip.
    public enum Reason: Hashable, Sendable {
        /// The request would exceed the limit.
        case limit
        /// The limit blocks the tuple, whether the request would exceed it or not.
        case blocked
        /// An entity is on a list.
        case listed
    }

    /// One limit that the request would exceed or that blocks it, or what a list says of it.
    public struct Trip: Hashable, Sendable {
        /// Empty of a list, which has no numbers either.
        public var rule: String
        public var windowMs: UInt64
        public var max: UInt64
        /// When it was judged: without the request itself.
        public var used: UInt64
        /// From the request's now; absent where the request can never pass.
        public var retryAfterMs: UInt64?
        public var verdict: Verdict
        public var shadow: Bool
        public var reason: Reason

        public init(
            rule: String,
            windowMs: UInt64,
            max: UInt64,
            used: UInt64,
            retryAfterMs: UInt64?,
            verdict: Verdict,
            shadow: Bool,
            reason: Reason = .limit
        ) {
            self.rule = rule
            self.windowMs = windowMs
            self.max = max
            self.used = used
            self.retryAfterMs = retryAfterMs
            self.verdict = verdict
            self.shadow = shadow
            self.reason = reason
        }
    }

    /// What one limit still lets through, after the request.
    public struct Headroom: Hashable, Sendable {
        public var rule: String
        public var windowMs: UInt64
        public var max: UInt64
        public var remaining: UInt64
        /// Until the counter is empty if nothing else comes; 0 if it is.
        public var resetMs: UInt64

        public init(rule: String, windowMs: UInt64, max: UInt64, remaining: UInt64, resetMs: UInt64) {
            self.rule = rule
            self.windowMs = windowMs
            self.max = max
            self.remaining = remaining
            self.resetMs = resetMs
        }
    }

    public struct Decision: Hashable, Sendable {
        public var verdict: Verdict
        /// What a list says first; then rules in file order, limits in their rule's order.
        public var trips: [Trip]
        public var retryAfterMs: UInt64?
        /// Of the enforced limits that judged; absent if none did.
        public var tightest: Headroom?
        /// Whether it is the verdict of an event that came before, which is all that is told of it.
        public var duplicate: Bool

        public init(
            verdict: Verdict,
            trips: [Trip],
            retryAfterMs: UInt64?,
            tightest: Headroom?,
            duplicate: Bool = false
        ) {
            self.verdict = verdict
            self.trips = trips
            self.retryAfterMs = retryAfterMs
            self.tightest = tightest
            self.duplicate = duplicate
        }
    }

    /// What one limit has counted for one tuple.
    public struct Usage: Hashable, Sendable {
        public var rule: String
        /// In the order of the rule's `per`.
        public var per: [Entity]
        public var windowMs: UInt64
        public var max: UInt64
        public var used: UInt64
        public var verdict: Verdict
        public var shadow: Bool
        /// Until the counter is empty if nothing else comes; 0 if it is.
        public var resetMs: UInt64
        /// How much longer the limit blocks the tuple; 0 if it does not.
        public var blockedMs: UInt64
        /// Which step of its escalation that is, from 1; 0 if it does not.
        public var blockStep: Int

        public init(
            rule: String,
            per: [Entity],
            windowMs: UInt64,
            max: UInt64,
            used: UInt64,
            verdict: Verdict,
            shadow: Bool,
            resetMs: UInt64,
            blockedMs: UInt64 = 0,
            blockStep: Int = 0
        ) {
            self.rule = rule
            self.per = per
            self.windowMs = windowMs
            self.max = max
            self.used = used
            self.verdict = verdict
            self.shadow = shadow
            self.resetMs = resetMs
            self.blockedMs = blockedMs
            self.blockStep = blockStep
        }
    }
}
