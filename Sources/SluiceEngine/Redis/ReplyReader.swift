import CHiredis
import NIOCore

/// Reads a RESP2 stream through hiredis into storage that is reused from reply to reply.
final class ReplyReader {
    /// hiredis copies what it is fed and moves the rest of its buffer down as it goes: small bites keep that cheap.
    private static let bite = 16 * 1024

    /// A reply that is larger is none: a length that was garbled on its way would have us wait and keep everything.
    private static let largestReply = 64 << 20

    /// Owned; freed with this object.
    private let reader: OpaquePointer
    /// Bytes since the last reply was complete.
    private var unfinished = 0

    init() {
        guard let reader = sluice_reader_create() else { fatalError("out of memory") }
        self.reader = reader
    }

    deinit {
        sluice_reader_free(reader)
    }

    /// Takes all of `buffer` and hands each complete reply to `body`.
    ///
    /// - Returns: false when the stream is broken. The reader is then of no more use, and neither is the connection.
    func read(_ buffer: ByteBuffer, _ body: (Reply) -> Void) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let count = min(Self.bite, bytes.count - offset)
                guard sluice_reader_feed(reader, bytes.baseAddress! + offset, count) == 0 else { return false }
                offset += count
                unfinished += count
                guard unfinished <= Self.largestReply else { return false }
                while true {
                    switch sluice_reader_next(reader) {
                    case 0: break
                    case 1:
                        unfinished = 0
                        body(Reply(reader: reader))
                        continue
                    default: return false
                    }
                    break
                }
            }
            return true
        }
    }
}

/// One reply, flattened depth first. It borrows the reader's storage and is good until the reader goes on.
struct Reply {
    private let elements: UnsafeBufferPointer<sluice_element>
    private let text: UnsafeRawPointer

    fileprivate init(reader: OpaquePointer) {
        var count = 0
        let first = sluice_reader_elements(reader, &count)
        elements = UnsafeBufferPointer(start: first, count: count)
        text = UnsafeRawPointer(sluice_reader_text(reader)!)
    }

    enum Kind {
        case text
        case array
        case integer
        case null
        case status
        case error
    }

    var kind: Kind { kind(at: 0) }

    /// Elements in all; the first is the reply itself.
    var count: Int { elements.count }

    func kind(at index: Int) -> Kind {
        switch Int(elements[index].kind) {
        case SLUICE_REPLY_TEXT: .text
        case SLUICE_REPLY_ARRAY: .array
        case SLUICE_REPLY_INTEGER: .integer
        case SLUICE_REPLY_STATUS: .status
        case SLUICE_REPLY_ERROR: .error
        default: .null
        }
    }

    func integer(at index: Int) -> Int64 { elements[index].integer }

    func bytes(at index: Int) -> UnsafeRawBufferPointer {
        let element = elements[index]
        return UnsafeRawBufferPointer(start: text + Int(element.offset), count: Int(element.length))
    }

    /// The text of the reply itself: of a bulk string, a status or an error.
    var string: String { String(decoding: bytes(at: 0), as: UTF8.self) }
}
