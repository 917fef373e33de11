import NIOCore

extension ByteBuffer {
    /// `withUnsafeReadableBytes` for a body with typed errors.
    func withReadableBytesTyped<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try withUnsafeReadableBytes { bytes in
            Result { () throws(E) -> R in try body(bytes) }
        }.get()
    }
}
