import NIOCore
import SluiceModel

extension ByteBuffer {
    /// Appends what `body` writes, which is at most `most` bytes: one question about room and ownership for all of it.
    @inline(__always)
    mutating func write(atMost most: Int, _ body: (inout ByteCursor) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: most) { room in
            guard let start = room.baseAddress else { return 0 }
            var cursor = ByteCursor(start)
            body(&cursor)
            let written = cursor.written(since: start)
            precondition(written <= most)
            return written
        }
    }
}
