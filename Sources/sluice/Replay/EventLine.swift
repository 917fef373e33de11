import SluiceModel

/// One event to replay, as its line says: `{"at": unix ms, "action": ..., "entities": {...}, ...}`.
struct EventLine {
    struct Entity {
        /// Ranges of `bytes`.
        var dimension: Range<Int>
        var value: Range<Int>
    }

    static let longestLabel = 256

    /// All strings of the line that the service is told, one behind the other.
    private(set) var bytes: [UInt8] = []
    private(set) var atMs: UInt64 = 0
    /// A range of `bytes`, as the others.
    private(set) var action: Range<Int> = 0..<0
    private(set) var entities: [Entity] = []
    /// 0 means 1.
    private(set) var cost: UInt64 = 0
    private(set) var amount: UInt64 = 0
    private(set) var mode: Mode = .check
    /// Empty if there is none.
    private(set) var eventID: Range<Int> = 0..<0
    /// What whoever made the events knows about this one, such as the attack it belongs to; for the report alone.
    private(set) var label: String?

    /// Reads a line strictly: what the service would not take, and what it would not read, is an error.
    init(line: [UInt8]) throws(JSONScanner.Problem) {
        guard String(validating: line, as: UTF8.self) != nil else {
            throw JSONScanner.Problem(message: "the line is not UTF-8")
        }
        var scanner = JSONScanner(line)
        var seen: Set<String> = []
        try scanner.object("an object in braces") { (scanner, key) throws(JSONScanner.Problem) in
            guard seen.insert(key).inserted else { throw scanner.problem("\(Self.quoted(key)) is given twice") }
            try read(key, from: &scanner)
        }
        try scanner.expectEnd()
        for key in ["at", "action"] where !seen.contains(key) {
            throw JSONScanner.Problem(message: "\"\(key)\" is missing")
        }
    }

    mutating func setValue(of entity: Int, to value: [UInt8]) {
        let start = bytes.count
        bytes += value
        entities[entity].value = start..<bytes.count
    }

    private mutating func read(_ key: String, from scanner: inout JSONScanner) throws(JSONScanner.Problem) {
        switch key {
        case "at":
            atMs = try scanner.integer("\"at\" in unix ms", atMost: Caps.exactInteger)
        case "action":
            action = try scanner.string("\"action\" in quotes", into: &bytes)
            guard (1...Caps.actionBytes).contains(action.count) else {
                throw scanner.problem("\"action\" must be 1 to \(Caps.actionBytes) bytes long")
            }
        case "entities":
            try readEntities(from: &scanner)
        case "cost":
            cost = try scanner.integer("\"cost\"", atMost: Caps.cost)
        case "amount":
            amount = try scanner.integer("\"amount\"", atMost: Caps.exactInteger)
        case "mode":
            var name: [UInt8] = []
            try scanner.string("\"mode\" in quotes", into: &name)
            guard let mode = Mode(name: String(decoding: name, as: UTF8.self)) else {
                throw scanner.problem("\"mode\" must be check, peek or record")
            }
            self.mode = mode
        case "event_id":
            eventID = try scanner.string("\"event_id\" in quotes", into: &bytes)
            guard eventID.count <= Caps.eventIDBytes else {
                throw scanner.problem("\"event_id\" must be at most \(Caps.eventIDBytes) bytes long")
            }
        case "label":
            var text: [UInt8] = []
            try scanner.string("\"label\" in quotes", into: &text)
            guard text.count <= Self.longestLabel else {
                throw scanner.problem("\"label\" must be at most \(Self.longestLabel) bytes long")
            }
            label = String(decoding: text, as: UTF8.self)
        default:
            throw scanner.problem("unknown key \(Self.quoted(key))")
        }
    }

    private mutating func readEntities(from scanner: inout JSONScanner) throws(JSONScanner.Problem) {
        var seen: Set<String> = []
        try scanner.object("\"entities\", an object in braces") { (scanner, name) throws(JSONScanner.Problem) in
            guard EntityArgument.isDimension(name.utf8) else {
                throw scanner.problem("a dimension must be 1 to \(Caps.dimensionBytes) bytes of a-z, 0-9 and _")
            }
            guard seen.insert(name).inserted else { throw scanner.problem("the dimension \"\(name)\" is given twice") }
            guard entities.count < Caps.entitiesPerRequest else {
                throw scanner.problem("more than \(Caps.entitiesPerRequest) entities")
            }
            let dimension = bytes.count..<(bytes.count + name.utf8.count)
            bytes.append(contentsOf: name.utf8)
            let value = try scanner.string("the value of \"\(name)\" in quotes", into: &bytes)
            guard value.count <= Caps.valueBytes else {
                throw scanner.problem("the value of \"\(name)\" must be at most \(Caps.valueBytes) bytes long")
            }
            entities.append(Entity(dimension: dimension, value: value))
        }
    }

    /// A key of the line's own choice, short enough to show.
    private static func quoted(_ key: String) -> String {
        key.count <= 64 ? "\"\(key)\"" : "\"\(key.prefix(64))...\""
    }
}
