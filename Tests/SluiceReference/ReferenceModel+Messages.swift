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

        public init(
            action: [UInt8],
            entities: [(dimension: String, value: [UInt8])] = [],
            cost: UInt64 = 1,
            amount: UInt64 = 0,
            mode: Mode = .check,
            ageMs: UInt64 = 0
        ) {
            self.action = action
            self.entities = entities
            self.cost = cost
            self.amount = amount
            self.mode = mode
            self.ageMs = ageMs
        }
    }

    /// One limit that the request would exceed.
    public struct Trip: Hashable, Sendable {
        public var rule: String
        public var windowMs: UInt64
        public var max: UInt64
        /// When it was judged: without the request itself.
        public var used: UInt64
        /// From the request's now; absent where the request can never pass.
        public var retryAfterMs: UInt64?
        public var verdict: Verdict
        public var shadow: Bool

        public init(
            rule: String,
            windowMs: UInt64,
            max: UInt64,
            used: UInt64,
            retryAfterMs: UInt64?,
            verdict: Verdict,
            shadow: Bool
        ) {
            self.rule = rule
            self.windowMs = windowMs
            self.max = max
            self.used = used
            self.retryAfterMs = retryAfterMs
            self.verdict = verdict
            self.shadow = shadow
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
        /// Rules in file order, limits in their rule's order.
        public var trips: [Trip]
        public var retryAfterMs: UInt64?
        /// Of the enforced limits that judged; absent if none did.
        public var tightest: Headroom?

        public init(verdict: Verdict, trips: [Trip], retryAfterMs: UInt64?, tightest: Headroom?) {
            self.verdict = verdict
            self.trips = trips
            self.retryAfterMs = retryAfterMs
            self.tightest = tightest
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

        public init(
            rule: String,
            per: [Entity],
            windowMs: UInt64,
            max: UInt64,
            used: UInt64,
            verdict: Verdict,
            shadow: Bool,
            resetMs: UInt64
        ) {
            self.rule = rule
            self.per = per
            self.windowMs = windowMs
            self.max = max
            self.used = used
            self.verdict = verdict
            self.shadow = shadow
            self.resetMs = resetMs
        }
    }
}
