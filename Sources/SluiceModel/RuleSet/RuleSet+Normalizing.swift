extension RuleSet {
    /// Calls `body` with `request` as the rules see it: its values in the normal form of their dimensions.
    ///
    /// Costs one check of a Bool where no dimension has a normaliser, and copies nothing where no value changes. Else
    /// `scratch` is overwritten with all that the request points at, at most a few kilobytes, and lent to `body`; it
    /// allocates only until it has grown that far.
    public func normalizing<Result, Failure: Error>(
        _ request: RequestView,
        scratch: inout [UInt8],
        _ body: (RequestView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard hasNormalizers, changes(request, scratch: &scratch) else { return try body(request) }
        var view = request.copied(into: &scratch) { entity, scratch in
            rewrite(entity, of: request, into: &scratch)
        }
        return try scratch.withUnsafeBufferPointer { (bytes) throws(Failure) in
            view.bytes = UnsafeRawBufferPointer(bytes)
            return try body(view)
        }
    }

    /// Whether any value of `request` is not in its normal form.
    private func changes(_ request: RequestView, scratch: inout [UInt8]) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        for index in 0..<request.entityCount where rewrite(request.entities[index], of: request, into: &scratch) {
            return true
        }
        return false
    }

    private func rewrite(
        _ entity: RequestView.Entity, of request: RequestView, into scratch: inout [UInt8]
    ) -> Bool {
        guard let dimension = dimensionTable.find(request.slice(entity.dimension)),
            let normalizer = normalizers[dimension]
        else { return false }
        return normalizer.apply(request.slice(entity.value), into: &scratch)
    }
}
