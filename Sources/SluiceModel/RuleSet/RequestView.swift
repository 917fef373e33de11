/// A request's parts as positions in the buffer it was read from: nothing is copied, nothing is text.
///
/// It borrows `bytes`, and is good only while they are.
@frozen
public struct RequestView {
    /// Where one entity's dimension and value lie in `bytes`.
    ///
    /// Offsets of 32 bits: sixteen of these are copied with every function that looks at one.
    @frozen
    public struct Entity {
        @usableFromInline var dimensionStart: UInt32 = 0
        @usableFromInline var dimensionEnd: UInt32 = 0
        @usableFromInline var valueStart: UInt32 = 0
        @usableFromInline var valueEnd: UInt32 = 0

        @inlinable
        public init(dimension: Range<Int>, value: Range<Int>) {
            self.dimension = dimension
            self.value = value
        }

        @inlinable
        public var dimension: Range<Int> {
            get { Int(dimensionStart)..<Int(dimensionEnd) }
            set { (dimensionStart, dimensionEnd) = (UInt32(newValue.lowerBound), UInt32(newValue.upperBound)) }
        }

        @inlinable
        public var value: Range<Int> {
            get { Int(valueStart)..<Int(valueEnd) }
            set { (valueStart, valueEnd) = (UInt32(newValue.lowerBound), UInt32(newValue.upperBound)) }
        }
    }

    public var bytes: UnsafeRawBufferPointer
    public var action: Range<Int> = 0..<0
    public internal(set) var entities = InlineArray<16, Entity>(repeating: Entity(dimension: 0..<0, value: 0..<0))
    public internal(set) var entityCount = 0
    /// 1 to 2^31 - 1.
    public var cost: UInt64 = 1
    /// 0 to 2^53 - 1.
    public var amount: UInt64 = 0
    public var mode: Mode = .check
    /// How long ago a recorded outcome happened.
    public var ageMs: UInt64 = 0
    /// The caller's clock, where the service takes it.
    public var atMs: UInt64?
    /// The caller's name for the event; empty: none.
    public var eventID: Range<Int> = 0..<0

    @inlinable
    public init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// False when there is no room: `Caps.entitiesPerRequest` are in already.
    public mutating func append(_ entity: Entity) -> Bool {
        guard entityCount < Caps.entitiesPerRequest else { return false }
        entities[entityCount] = entity
        entityCount += 1
        return true
    }

    @inlinable
    public func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[range])
    }

    /// Whether two entities name the same dimension.
    public var namesADimensionTwice: Bool {
        guard entityCount > 1 else { return false }
        for later in 1..<entityCount {
            let name = slice(entities[later].dimension)
            for earlier in 0..<later where entities[earlier].dimension.count == name.count {
                if slice(entities[earlier].dimension).elementsEqual(name) { return true }
            }
        }
        return false
    }

    /// Copies every range of this request into `scratch`, which is emptied before, a value as `rewrite` appends it
    /// where that returns true. The copy's `bytes` are yet to be set to those of `scratch`.
    func copied(
        into scratch: inout [UInt8], rewrite: (_ entity: Entity, _ scratch: inout [UInt8]) -> Bool
    ) -> RequestView {
        scratch.removeAll(keepingCapacity: true)
        func copy(_ range: Range<Int>) -> Range<Int> {
            let start = scratch.count
            scratch.append(contentsOf: slice(range))
            return start..<scratch.count
        }
        var view = self
        view.action = copy(action)
        view.eventID = copy(eventID)
        for index in 0..<entityCount {
            view.entities[index].dimension = copy(entities[index].dimension)
            let start = scratch.count
            let isRewritten = rewrite(entities[index], &scratch)
            view.entities[index].value = isRewritten ? start..<scratch.count : copy(entities[index].value)
        }
        return view
    }
}
