import SluiceModel

/// The lists as one event loop looks them up: those of the limits file and those that operators keep.
///
/// Both are immutable snapshots that others hand over by a hop to the loop, so that a look-up needs no lock.
final class LoopLists {
    /// Whether nothing is listed at all: all that most services ever ask of it.
    private(set) var isEmpty = true
    private var file: ListTable
    private var kept = KeptLists()

    init(file: ListTable) {
        self.file = file
        isEmpty = file.isEmpty
    }

    func use(file: ListTable) {
        self.file = file
        isEmpty = file.isEmpty && kept.isEmpty
    }

    func use(_ kept: KeptLists) {
        self.kept = kept
        isEmpty = file.isEmpty && kept.isEmpty
    }

    /// What the lists say of a request; nil: nothing. Allocates nothing.
    ///
    /// - Parameters:
    ///   - request: its values in normal form.
    ///   - raw: the same request as its caller sent it, entity by entity: networks are matched with that.
    ///   - nowMs: Unix time by this host's clock.
    func effect(on request: RequestView, raw: RequestView, nowMs: UInt64) -> ListEffect? {
        guard !isEmpty else { return nil }
        var search = ListEffect.Search(nowMs: kept.redisTimeMs(at: nowMs))
        for position in 0..<request.entityCount {
            let entity = request.entities[position]
            guard !entity.value.isEmpty else { continue }
            let probe = ListTable.Probe(
                dimension: request.slice(entity.dimension), value: request.slice(entity.value),
                rawValue: raw.slice(raw.entities[position].value))
            kept.recent.look(for: probe, &search)
            kept.settled.look(for: probe, hiddenBy: kept.recent, &search)
            file.look(for: probe, &search)
        }
        return search.effect
    }
}

/// The lists that operators keep, as a snapshot that is cheap to replace: a large table, and a small one of what has
/// changed since it was made.
struct KeptLists: Sendable {
    var settled = ListTable()
    var recent = ListTable()
    /// How far the clock of Redis, which listings end by, is ahead of this host's, in ms.
    var clockAheadMs: Int64 = 0

    var isEmpty: Bool { settled.isEmpty && recent.isEmpty }

    func redisTimeMs(at nowMs: UInt64) -> UInt64 {
        UInt64(max(0, Int64(clamping: nowMs) &+ clockAheadMs))
    }
}
