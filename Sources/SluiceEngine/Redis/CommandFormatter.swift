import CHiredis
import NIOCore

/// Commands as RESP, formatted by hiredis. For all but the batches, which are written in place as they grow.
enum CommandFormatter {
    /// Appends one command.
    static func write(_ arguments: [[UInt8]], into buffer: inout ByteBuffer) {
        let joined = arguments.flatMap { $0 }
        var offset = 0
        joined.withUnsafeBufferPointer { bytes in
            let base = UnsafeRawPointer(bytes.baseAddress ?? UnsafePointer(bitPattern: 1)!)
            var pointers = arguments.map { argument -> UnsafePointer<CChar>? in
                defer { offset += argument.count }
                return (base + offset).assumingMemoryBound(to: CChar.self)
            }
            let lengths = arguments.map(\.count)
            var command: UnsafeMutablePointer<CChar>?
            // hiredis allocates `command`; it is freed below.
            let count = redisFormatCommandArgv(&command, Int32(arguments.count), &pointers, lengths)
            guard count >= 0, let command else { fatalError("out of memory") }
            buffer.writeBytes(UnsafeRawBufferPointer(start: command, count: Int(count)))
            redisFreeCommand(command)
        }
    }
}
