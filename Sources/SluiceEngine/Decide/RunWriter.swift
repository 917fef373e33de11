import NIOCore
import SluiceModel

/// Encodes the requests of one run as they arrive: a key goes straight into what is sent, and so does every word. See
/// the contract at the head of `lua/decide.lua`.
///
/// A value, changed in place: were its parts those of an object, each step would ask whether anybody else is at them.
struct RunWriter: ~Copyable {
    /// What the script is asked to do with a request.
    private enum Operation {
        static let inspect: UInt16 = 3
        static let hasAge: UInt16 = 4
        static let hasTime: UInt16 = 8
        static let hasEvent: UInt16 = 16
        static let isListed: UInt16 = 32
        static let hasAmount: UInt16 = 64
        static let isBrief: UInt16 = 128
        static let reserves: UInt16 = 256
        static let blocks: UInt16 = 512
    }

    /// What a node is to do with its part of a request.
    enum Role {
        /// The whole request is decided here.
        case whole
        case reserves
        /// Only begin the blocks.
        case blocks
    }

    /// A variant of the rule set in this run.
    private struct LocalVariant {
        /// From 1; 0: not in this run yet.
        var number: UInt16 = 0
        var firstCounter: UInt16 = 0
    }

    /// One counter of one key.
    private struct Cell {
        var field: Int32
        /// The cell of the same key before this one, or -1.
        var before: Int32
        var counter: UInt16
        /// Where its counter stands in the words of groups.
        var place: Int32
    }

    /// Bytes of a request's words beside its rules: operation, cost, age, time, event, listing, amount, rules.
    private static let requestBytes = 2 + 4 + 6 + 6 + 2 + 8 + 8 + 2
    /// Of one of its rules beside its cells: variant, flags, member.
    private static let useBytes = 2 + 2 + 16
    /// Of a command beside keys, words and arguments.
    private static let commandBytes = 256

    /// Of a cell's counter: other counters use the cell too.
    private static let isShared: UInt16 = 0x8000
    /// Of one of the script's numbers.
    private static let numberBytes = 7

    private(set) var operationCount = 0
    /// The caller's time of the first request that has one.
    private var firstAtMs: UInt64?
    /// Uses of cells by requests.
    private(set) var cellCount = 0
    private var keys = KeyTable()
    private var events = KeyTable()
    private var variantNumbers = RawBytes()
    private var groupWords = RawBytes()
    private var requestWords = RawBytes()
    private var arguments = RawBytes()
    private var argumentCount = 0
    private var groupCount = 0
    private var counterCount = 0
    private var localVariants: [LocalVariant] = []
    /// Those of `localVariants` that have a number.
    private var usedVariants: [Int32] = []
    /// Per key, its last cell.
    private var lastCellOfKey: [Int32] = []
    private var cells: [Cell] = []
    /// Of the request being added: per tuple of the rule set, 1 + the key, or 0.
    private var keyOfTuple: [Int32] = []
    /// Per use of the run, its key.
    private var keyOfUse: [Int32] = []
    private var eventKey: [UInt8] = []

    init() {}

    mutating func reset(_ rules: ActiveRules) {
        operationCount = 0
        firstAtMs = nil
        cellCount = 0
        keys.removeAll()
        events.removeAll()
        variantNumbers.removeAll()
        groupWords.removeAll()
        requestWords.removeAll()
        arguments.removeAll()
        argumentCount = 0
        groupCount = 0
        counterCount = 0
        for variant in usedVariants { localVariants[Int(variant)] = LocalVariant() }
        usedVariants.removeAll(keepingCapacity: true)
        if localVariants.count != rules.plan.variants.count {
            localVariants = Array(repeating: LocalVariant(), count: rules.plan.variants.count)
        }
        lastCellOfKey.removeAll(keepingCapacity: true)
        cells.removeAll(keepingCapacity: true)
        keyOfUse.removeAll(keepingCapacity: true)
        if keyOfTuple.count != rules.set.tuples.count {
            keyOfTuple = Array(repeating: 0, count: rules.set.tuples.count)
        }
    }

    // MARK: - Requests

    /// - Parameter eventKey: where the event is remembered; nil: where one of the request's entities lies.
    mutating func add(
        _ request: RequestView, _ index: DimensionIndex, _ met: [RuleUse], _ effect: ListEffect?, _ rules: ActiveRules,
        role: Role = .whole, eventKey: [UInt8]? = nil
    ) {
        var operation = UInt16(request.mode.rawValue)
        if request.ageMs > 0 { operation |= Operation.hasAge }
        if request.atMs != nil { operation |= Operation.hasTime }
        if !request.eventID.isEmpty, request.mode != .peek { operation |= Operation.hasEvent }
        if effect != nil { operation |= Operation.isListed }
        switch role {
        case .whole: break
        case .reserves: operation |= Operation.reserves
        case .blocks: operation = operation & ~Operation.hasEvent | Operation.blocks
        }
        write(operation, request, index, met, effect, rules, eventKey)
    }

    mutating func addInspection(
        _ request: RequestView, _ index: DimensionIndex, _ met: [RuleUse], _ rules: ActiveRules
    ) {
        write(Operation.inspect | (request.atMs == nil ? 0 : Operation.hasTime), request, index, met, nil, rules)
    }

    private mutating func write(
        _ operation: UInt16,
        _ request: RequestView,
        _ index: DimensionIndex,
        _ met: [RuleUse],
        _ effect: ListEffect?,
        _ rules: ActiveRules,
        _ eventKey: [UInt8]? = nil
    ) {
        operationCount += 1
        firstAtMs = firstAtMs ?? request.atMs
        var operation = operation
        var cells = 0
        var isBrief = operation & ~Operation.hasTime == 0
        for use in met {
            let variant = rules.plan.variants[Int(use.variant)]
            cells += variant.fields.count
            isBrief = isBrief && variant.isBrief && use.judges && use.counts
            if request.amount > 0, use.counts, variant.isSum { operation |= Operation.hasAmount }
            if keyOfTuple[Int(use.tuple)] == 0 { writeGroup(of: Int(use.tuple), request, index, met, rules) }
        }
        cellCount += cells
        if isBrief { operation |= Operation.isBrief }
        let event = operation & Operation.hasEvent == 0 ? 0 : insertEvent(of: request, eventKey, rules)
        let most = Self.requestBytes + met.count * Self.useBytes + cells * 2
        var words = requestWords.begin(atMost: most)
        words.write(operation)
        words.write(request.cost, words: 2)
        if operation & Operation.hasAge != 0 { words.write(request.ageMs, words: 3) }
        if operation & Operation.hasTime != 0 { words.write(request.atMs ?? 0, words: 3) }
        if operation & Operation.hasEvent != 0 { words.write(UInt16(event + 1)) }
        if let effect {
            words.write(UInt16(effect.kind.rawValue))
            words.write(min(effect.leftMs ?? .max, 0xFFFF_FFFF_FFFF), words: 3)
        }
        if operation & Operation.hasAmount != 0 { words.write(request.amount, words: 4) }
        words.write(UInt16(met.count))
        for use in met {
            keyOfUse.append(keyOfTuple[Int(use.tuple)] - 1)
            write(use, request, index, isBrief: isBrief, rules, into: &words)
        }
        requestWords.end(at: words)
        for use in met { keyOfTuple[Int(use.tuple)] = 0 }
    }

    private func write(
        _ use: RuleUse, _ request: RequestView, _ index: DimensionIndex, isBrief: Bool, _ rules: ActiveRules,
        into words: inout ByteCursor
    ) {
        let variant = rules.plan.variants[Int(use.variant)]
        let hasMember = use.counts && variant.member >= 0
        let flags: UInt16 = (use.judges ? 1 : 0) + (use.counts ? 2 : 0) + (hasMember ? 4 : 0)
        words.write(localVariants[Int(use.variant)].number)
        if !isBrief { words.write(flags) }
        let key = Int(keyOfTuple[Int(use.tuple)]) - 1
        writeCells(of: variant, key, rules, into: &words)
        if hasMember { Self.writeMember(of: Int(variant.member), request, index, into: &words) }
    }

    private func writeCells(
        of variant: ScriptPlan.Variant, _ key: Int, _ rules: ActiveRules, into words: inout ByteCursor
    ) {
        for field in variant.fields {
            words.write(UInt16(cell(of: key, field: rules.plan.fields[field])! + 1))
        }
    }

    /// Adds attempts as a record of the one rule that counts them.
    mutating func add(_ attempt: PendingAttempts.Entry, _ bytes: UnsafeRawBufferPointer, _ rules: ActiveRules) {
        operationCount += 1
        let variant = rules.plan.variants[Int(attempt.use.variant)]
        cellCount += variant.fields.count
        let key = insertKey(atMost: bytes.count) { $0.write(bytes) }
        keyOfUse.append(Int32(key))
        writeGroup(of: Int(attempt.use.tuple), key, CollectionOfOne(attempt.use), rules)
        let hasAmount = attempt.amount > 0
        var words = requestWords.begin(atMost: Self.requestBytes + Self.useBytes + variant.fields.count * 2)
        words.write(UInt16(Mode.record.rawValue) | (hasAmount ? Operation.hasAmount : 0))
        words.write(max(attempt.cost, 1), words: 2)
        if hasAmount { words.write(attempt.amount, words: 4) }
        words.write(1 as UInt16)
        words.write(localVariants[Int(attempt.use.variant)].number)
        words.write(2 as UInt16)
        writeCells(of: variant, key, rules, into: &words)
        requestWords.end(at: words)
    }

    private mutating func insertEvent(of request: RequestView, _ given: [UInt8]?, _ rules: ActiveRules) -> Int {
        if let given { return events.insert(atMost: given.count) { $0.write(given) }.number }
        eventKey.removeAll(keepingCapacity: true)
        EntityKeyWriter.writeEventKey(prefix: rules.keyPrefix, request, mode: request.mode, into: &eventKey)
        let key = eventKey
        return events.insert(atMost: key.count) { $0.write(key) }.number
    }

    /// The rule applies, so the request carries the dimension.
    private static func writeMember(
        of dimension: Int, _ request: RequestView, _ index: DimensionIndex, into words: inout ByteCursor
    ) {
        let value = index.value(dimension, of: request) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let member = EntityKeyWriter.member(of: value)
        for position in member.indices { words.write(byte: member[position]) }
    }

    // MARK: - Keys and cells

    /// The key of a use by its place among all uses of the run; good until the next key comes.
    func key(ofUse use: Int) -> UnsafeRawBufferPointer { keys.key(Int(keyOfUse[use])) }

    /// Finds or adds the key of `tuple`, and the cells that the rules of `met` on that tuple need.
    private mutating func writeGroup(
        of tuple: Int, _ request: RequestView, _ index: DimensionIndex, _ met: [RuleUse], _ rules: ActiveRules
    ) {
        let key = insertKey(atMost: rules.keys.most(of: tuple)) { cursor in
            rules.keys.write(tuple, request, index, into: &cursor)
        }
        keyOfTuple[tuple] = Int32(key) + 1
        writeGroup(of: tuple, key, met, rules)
    }

    @inline(__always)
    private mutating func insertKey(atMost most: Int, _ write: (inout ByteCursor) -> Void) -> Int {
        let (key, isNew) = keys.insert(atMost: most, write)
        if isNew { lastCellOfKey.append(-1) }
        return key
    }

    @inline(__always)
    private mutating func writeGroup(
        of tuple: Int, _ key: Int, _ met: some Collection<RuleUse>, _ rules: ActiveRules
    ) {
        let start = groupWords.count
        var added: UInt16 = 0
        for use in met where Int(use.tuple) == tuple {
            addCells(of: Int(use.variant), to: key, &added, rules)
        }
        guard added > 0 else { return }
        groupWords.set(added, at: start + 2)
        groupCount += 1
    }

    private mutating func addCells(of variant: Int, to key: Int, _ added: inout UInt16, _ rules: ActiveRules) {
        if localVariants[variant].number == 0 { write(variant: variant, rules) }
        let fields = rules.plan.variants[variant].fields
        for place in fields {
            let field = rules.plan.fields[place]
            let counter = localVariants[variant].firstCounter + UInt16(place - fields.lowerBound)
            if let known = cell(of: key, field: field) {
                if cells[known].counter != counter {
                    // Requests that are under different overrides of the rule.
                    groupWords.set(cells[known].counter | Self.isShared, at: Int(cells[known].place))
                }
                continue
            }
            let isFirst = added == 0
            groupWords.append(atMost: 6) { words in
                if isFirst {
                    words.write(UInt16(key + 1))
                    words.write(0 as UInt16)
                }
                words.write(counter)
            }
            cells.append(
                Cell(
                    field: field, before: lastCellOfKey[key], counter: counter, place: Int32(groupWords.count - 2)))
            lastCellOfKey[key] = Int32(cells.count - 1)
            added += 1
        }
    }

    private mutating func write(variant: Int, _ rules: ActiveRules) {
        let plan = rules.plan.variants[variant]
        usedVariants.append(Int32(variant))
        localVariants[variant] = LocalVariant(
            number: UInt16(usedVariants.count), firstCounter: UInt16(counterCount + 1))
        counterCount += plan.fields.count
        rules.plan.bytes.withUnsafeBytes { bytes in
            variantNumbers.append(atMost: plan.numbers.count) {
                $0.write(UnsafeRawBufferPointer(rebasing: bytes[plan.numbers]))
            }
            arguments.append(atMost: plan.arguments.count) {
                $0.write(UnsafeRawBufferPointer(rebasing: bytes[plan.arguments]))
            }
        }
        argumentCount += plan.argumentCount
    }

    private func cell(of key: Int, field: Int32) -> Int? {
        var cell = lastCellOfKey[key]
        while cell >= 0 {
            if cells[Int(cell)].field == field { return Int(cell) }
            cell = cells[Int(cell)].before
        }
        return nil
    }

    // MARK: - The command

    /// Appends the whole EVALSHA.
    ///
    /// - Parameters:
    ///   - script: what SCRIPT LOAD answered.
    ///   - ttlSlackMs: added to every TTL where the caller's clock is used, which is not the one Redis expires by.
    ///   - keysAsArguments: no key is declared; their number and the keys go first of the arguments.
    func writeCommand(
        script: [UInt8], ttlSlackMs: UInt64, keysAsArguments: Bool = false, _ rules: ActiveRules,
        into command: inout ByteBuffer
    ) {
        let keyCount = keys.count + events.count
        let numbersCount = 7 * Self.numberBytes + variantNumbers.count
        let wordsCount = groupWords.count + requestWords.count
        let most =
            Self.commandBytes + script.count + keys.bulkStrings.count + events.bulkStrings.count
            + numbersCount + wordsCount + arguments.count
        command.write(atMost: most) { cursor in
            cursor.write(byte: UInt8(ascii: "*"))
            cursor.write(decimal: (keysAsArguments ? 6 : 5) + keyCount + argumentCount)
            cursor.write("\r\n$7\r\nEVALSHA\r\n")
            cursor.writeBulkHead(script.count)
            cursor.write(script)
            cursor.writeLineEnd()
            if keysAsArguments { cursor.write("$1\r\n0\r\n") }
            cursor.writeBulkHead(ByteCursor.digits(of: keyCount))
            cursor.write(decimal: keyCount)
            cursor.writeLineEnd()
            cursor.write(keys.bulkStrings)
            cursor.write(events.bulkStrings)
            cursor.writeBulkHead(numbersCount)
            cursor.write(number: UInt64(usedVariants.count))
            cursor.write(number: UInt64(groupCount))
            cursor.write(number: UInt64(operationCount))
            cursor.write(number: UInt64(events.count))
            cursor.write(number: ttlSlackMs)
            cursor.write(number: rules.file.eventMemoryMs)
            cursor.write(number: firstAtMs ?? 0)
            cursor.write(variantNumbers.bytes)
            cursor.writeLineEnd()
            cursor.writeBulkHead(wordsCount)
            cursor.write(groupWords.bytes)
            cursor.write(requestWords.bytes)
            cursor.writeLineEnd()
            cursor.write(arguments.bytes)
        }
    }
}
