import NIOCore
import SluiceModel

/// Who waits for an item's answer: a place in the loop's tables, not a promise.
struct Caller {
    /// The connection's place and the life of that place, so that a late answer finds nobody.
    var connection: Int32
    var epoch: UInt32
    var stream: UInt32
    /// The CheckBatch it belongs to, or -1, and its position there.
    var group: Int32 = -1
    var position: Int32 = 0
}

/// One request of a batch, as plain data.
struct BatchItem {
    var caller: Caller
    var received: NIODeadline
    var deadline: NIODeadline
    var mode: Mode
    var isAnswered = false
    /// What a list says of it, in the batch's `effects`, or -1.
    var effect: Int32
    /// Its place in the batch's `samples`, or -1.
    var sample: Int32
    /// Its rules, in the batch's `uses`.
    var uses: Range<Int>
}

/// One script run under construction, out, or answered. Its buffers are reused from run to run.
///
/// Requests are encoded as they arrive: a key goes straight into the command, and what is kept of a request is an
/// item and the rules it met.
final class Batch {
    /// What the script is asked to do with a request.
    private enum Operation {
        static let inspect: UInt16 = 3
        static let hasAge: UInt16 = 4
        static let hasTime: UInt16 = 8
        static let hasEvent: UInt16 = 16
        static let isListed: UInt16 = 32
        static let hasAmount: UInt16 = 64
    }

    /// The rule set that every request of the batch is judged by.
    private(set) var rules: ActiveRules
    private(set) var items: [BatchItem] = []
    private(set) var uses: [RuleUse] = []
    /// What the few requests name that tell which entities come up most.
    private(set) var samples: [TopSketches.Pending] = []
    /// What lists say of the few requests that name somebody on one.
    private(set) var effects: [ListEffect] = []
    /// Items without an answer.
    private(set) var waiting = 0
    /// The whole EVALSHA, once sealed.
    private(set) var command = ByteBuffer()
    /// When it went to Redis, last.
    var sentAt = NIODeadline.now()
    /// Set for what an operator asked, which travels alone: takes the reply, good during the call only, or the reason
    /// why there is none.
    var completion: ((Result<Reply, RedisFailure>) -> Void)?
    /// Set for a command that is not the decide script: an operator's, or an undo.
    private(set) var isCommand = false
    /// When nobody waits for its completion any more.
    var expires = NIODeadline.distantFuture
    /// The caller's clock of the last request, where the service takes it.
    private var lastAtMs: UInt64 = 0

    private var keyTable = KeyTable()
    private var keys = ByteBuffer()
    private var eventTable = KeyTable()
    private var eventKeys = ByteBuffer()
    private var variantWords = ByteBuffer()
    private var groupWords = ByteBuffer()
    private var requestWords = ByteBuffer()
    private var arguments = ByteBuffer()
    private var argumentCount = 0
    private var groupCount = 0
    private var operationCount = 0
    private var counterCount = 0
    /// Per variant of the rule set: its number in this batch from 1, or 0; and the number of its first counter.
    private var localVariant: [UInt16] = []
    private var firstCounter: [UInt16] = []
    private var localVariantCount = 0
    /// Per key, its cells as a list: the last cell, and before each cell another.
    private var lastCellOfKey: [Int32] = []
    private var cellBefore: [Int32] = []
    private var cellField: [Int32] = []
    /// Of the request being added: per tuple of the rule set, 1 + the key, or 0.
    private var keyOfTuple: [Int32] = []
    private var key: [UInt8] = []

    init(rules: ActiveRules) {
        self.rules = rules
        reset(rules: rules)
    }

    var isEmpty: Bool { operationCount == 0 && !isCommand }
    /// Whether somebody still waits for it.
    var isWanted: Bool { waiting > 0 || completion != nil }

    /// Whether a request at the caller's time `atMs` may still join: within one run time only goes on.
    func takes(atMs: UInt64?) -> Bool { (atMs ?? lastAtMs) >= lastAtMs }

    func reset(rules: ActiveRules) {
        self.rules = rules
        items.removeAll(keepingCapacity: true)
        uses.removeAll(keepingCapacity: true)
        samples.removeAll(keepingCapacity: true)
        effects.removeAll(keepingCapacity: true)
        waiting = 0
        completion = nil
        expires = .distantFuture
        isCommand = false
        lastAtMs = 0
        keyTable.removeAll()
        keys.clear()
        eventTable.removeAll()
        eventKeys.clear()
        variantWords.clear()
        groupWords.clear()
        requestWords.clear()
        arguments.clear()
        argumentCount = 0
        groupCount = 0
        operationCount = 0
        counterCount = 0
        localVariant.removeAll(keepingCapacity: true)
        localVariant.append(contentsOf: repeatElement(0, count: rules.set.variants.count))
        firstCounter.removeAll(keepingCapacity: true)
        firstCounter.append(contentsOf: repeatElement(0, count: rules.set.variants.count))
        localVariantCount = 0
        lastCellOfKey.removeAll(keepingCapacity: true)
        cellBefore.removeAll(keepingCapacity: true)
        cellField.removeAll(keepingCapacity: true)
        keyOfTuple.removeAll(keepingCapacity: true)
        keyOfTuple.append(contentsOf: repeatElement(0, count: rules.set.tuples.count))
    }

    // MARK: - Building

    /// Adds a request that meets `met`, at least one rule unless it has an event id.
    func add(
        _ request: RequestView,
        _ index: DimensionIndex,
        meets met: [RuleUse],
        caller: Caller,
        received: NIODeadline,
        deadline: NIODeadline,
        sample: TopSketches.Pending? = nil,
        effect: ListEffect? = nil
    ) {
        var operation = UInt16(request.mode.rawValue)
        if request.ageMs > 0 { operation |= Operation.hasAge }
        if request.atMs != nil { operation |= Operation.hasTime }
        if !request.eventID.isEmpty, request.mode != .peek { operation |= Operation.hasEvent }
        if effect != nil { operation |= Operation.isListed }
        write(operation, request, index, met, effect)
        let first = uses.count
        uses.append(contentsOf: met)
        items.append(
            BatchItem(
                caller: caller,
                received: received,
                deadline: deadline,
                mode: request.mode,
                effect: effect == nil ? -1 : Int32(effects.count),
                sample: sample == nil ? -1 : Int32(samples.count),
                uses: first..<uses.count
            )
        )
        if let sample { samples.append(sample) }
        if let effect { effects.append(effect) }
        waiting += 1
        if let atMs = request.atMs { lastAtMs = atMs }
    }

    /// Adds the look at every limit of `met`; the batch then holds nothing else.
    func addInspection(_ request: RequestView, _ index: DimensionIndex, meets met: [RuleUse]) {
        write(Operation.inspect | (request.atMs == nil ? 0 : Operation.hasTime), request, index, met)
        uses.append(contentsOf: met)
    }

    /// Makes the batch a command of its own, in the same queue: what was asked before it is done before it.
    func set(command arguments: [[UInt8]]) {
        isCommand = true
        command.clear()
        CommandFormatter.write(arguments, into: &command)
    }

    private func write(
        _ operation: UInt16,
        _ request: RequestView,
        _ index: DimensionIndex,
        _ met: [RuleUse],
        _ effect: ListEffect? = nil
    ) {
        operationCount += 1
        var operation = operation
        if request.amount > 0,
            met.contains(where: { $0.counts && rules.plan.variants[Int($0.variant)].isSum })
        {
            operation |= Operation.hasAmount
        }
        for use in met where keyOfTuple[Int(use.tuple)] == 0 {
            writeGroup(of: Int(use.tuple), request, index, met)
        }
        requestWords.writeInteger(operation)
        requestWords.writeWords(request.cost, count: 2)
        if operation & Operation.hasAge != 0 { requestWords.writeWords(request.ageMs, count: 3) }
        if operation & Operation.hasTime != 0 { requestWords.writeWords(request.atMs ?? 0, count: 3) }
        if operation & Operation.hasEvent != 0 { writeEvent(of: request) }
        if let effect {
            requestWords.writeInteger(UInt16(effect.kind.rawValue))
            requestWords.writeWords(min(effect.leftMs ?? .max, 0xFFFF_FFFF_FFFF), count: 3)
        }
        if operation & Operation.hasAmount != 0 { requestWords.writeWords(request.amount, count: 4) }
        requestWords.writeInteger(UInt16(met.count))
        for use in met {
            let key = Int(keyOfTuple[Int(use.tuple)]) - 1
            // Read part by part: a copy of the whole would count references to each of its arrays.
            let variant = Int(use.variant)
            let member = rules.plan.variants[variant].member
            let hasMember = use.counts && member >= 0
            requestWords.writeInteger(localVariant[Int(use.variant)])
            requestWords.writeInteger(
                (use.judges ? 1 : 0) + (use.counts ? 2 : 0) + (hasMember ? 4 : 0) as UInt16)
            for field in rules.plan.variants[variant].fields {
                requestWords.writeInteger(UInt16(cell(of: key, field: field)! + 1))
            }
            if hasMember { writeMember(of: Int(member), request, index) }
        }
        for use in met { keyOfTuple[Int(use.tuple)] = 0 }
    }

    private func writeEvent(of request: RequestView) {
        key.removeAll(keepingCapacity: true)
        EntityKeyWriter.writeEventKey(prefix: rules.keyPrefix, request, mode: request.mode, into: &key)
        let (number, isNew) = eventTable.insert(key)
        if isNew { eventKeys.writeBulk(key) }
        requestWords.writeInteger(UInt16(number + 1))
    }

    /// The rule applies, so the request carries the dimension.
    private func writeMember(of dimension: Int, _ request: RequestView, _ index: DimensionIndex) {
        let value = index.value(dimension, of: request) ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let member = EntityKeyWriter.member(of: value)
        for position in member.indices { requestWords.writeInteger(member[position]) }
    }

    /// Finds or adds the key of `tuple`, and the cells that the rules of `met` on that tuple need.
    private func writeGroup(
        of tuple: Int,
        _ request: RequestView,
        _ index: DimensionIndex,
        _ met: [RuleUse]
    ) {
        key.removeAll(keepingCapacity: true)
        rules.keys.write(rules.set.tuples[tuple], request, index, into: &key)
        let (number, isNew) = keyTable.insert(key)
        if isNew {
            keys.writeBulk(key)
            lastCellOfKey.append(-1)
        }
        keyOfTuple[tuple] = Int32(number) + 1
        let start = groupWords.writerIndex
        var added: UInt16 = 0
        for use in met where Int(use.tuple) == tuple {
            let variant = Int(use.variant)
            if localVariant[variant] == 0 { write(variant: variant) }
            for (offset, field) in rules.plan.variants[variant].fields.enumerated()
            where cell(of: number, field: field) == nil {
                if added == 0 { groupWords.writeMultipleIntegers(UInt16(number + 1), UInt16(0)) }
                groupWords.writeInteger(firstCounter[variant] + UInt16(offset))
                cellField.append(field)
                cellBefore.append(lastCellOfKey[number])
                lastCellOfKey[number] = Int32(cellField.count - 1)
                added += 1
            }
        }
        guard added > 0 else { return }
        groupWords.setInteger(added, at: start + 2)
        groupCount += 1
    }

    private func write(variant: Int) {
        let plan = rules.plan.variants[variant]
        localVariantCount += 1
        localVariant[variant] = UInt16(localVariantCount)
        firstCounter[variant] = UInt16(counterCount + 1)
        counterCount += plan.fields.count
        variantWords.writeBytes(plan.words)
        arguments.writeBytes(plan.arguments)
        argumentCount += plan.argumentCount
    }

    private func cell(of key: Int, field: Int32) -> Int? {
        var cell = lastCellOfKey[key]
        while cell >= 0 {
            if cellField[Int(cell)] == field { return Int(cell) }
            cell = cellBefore[Int(cell)]
        }
        return nil
    }

    /// Puts the command together. A run that has to be sent again is sealed again.
    ///
    /// - Parameters:
    ///   - script: what SCRIPT LOAD answered.
    ///   - ttlSlackMs: added to every TTL where the caller's clock is used, which is not the one Redis expires by.
    func seal(script: [UInt8], ttlSlackMs: UInt64) {
        guard !isCommand else { return }
        let wordBytes =
            16 + variantWords.readableBytes + groupWords.readableBytes + requestWords.readableBytes
        command.clear()
        command.writeInteger(UInt8(ascii: "*"))
        command.writeDecimal(4 + keyTable.count + eventTable.count + argumentCount)
        command.writeStaticString("\r\n$7\r\nEVALSHA\r\n")
        command.writeBulk(script)
        var keyCount = ByteBuffer()
        keyCount.writeDecimal(keyTable.count + eventTable.count)
        command.writeBulk(keyCount.readableBytesView)
        command.writeImmutableBuffer(keys)
        command.writeImmutableBuffer(eventKeys)
        command.writeInteger(UInt8(ascii: "$"))
        command.writeDecimal(wordBytes)
        command.writeStaticString("\r\n")
        command.writeMultipleIntegers(
            UInt16(localVariantCount), UInt16(groupCount), UInt16(operationCount), UInt16(eventTable.count))
        command.writeWords(ttlSlackMs, count: 2)
        command.writeWords(rules.file.eventMemoryMs, count: 2)
        command.writeImmutableBuffer(variantWords)
        command.writeImmutableBuffer(groupWords)
        command.writeImmutableBuffer(requestWords)
        command.writeStaticString("\r\n")
        command.writeImmutableBuffer(arguments)
    }

    // MARK: - Answering

    func effect(of item: Int) -> ListEffect? {
        items[item].effect < 0 ? nil : effects[Int(items[item].effect)]
    }

    /// Marks an item answered; false when it was already.
    func answer(_ item: Int) -> Bool {
        guard !items[item].isAnswered else { return false }
        items[item].isAnswered = true
        waiting -= 1
        return true
    }
}
