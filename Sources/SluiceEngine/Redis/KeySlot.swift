/// Which of the 16,384 slots of a Redis Cluster a key lies in: CRC-16/XMODEM of its hash tag, or of all of it ("Redis
/// cluster specification", key distribution model).
enum KeySlot {
    static let count = 16_384

    private static let table: [UInt16] = (0..<256).map { byte in
        var crc = UInt16(byte) << 8
        for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
        return crc
    }

    static func of(_ key: UnsafeRawBufferPointer) -> Int {
        var tag = key
        if let open = key.firstIndex(of: UInt8(ascii: "{")),
            let close = key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        {
            tag = UnsafeRawBufferPointer(rebasing: key[open + 1..<close])
        }
        var crc: UInt16 = 0
        for byte in tag { crc = crc << 8 ^ table[Int(UInt8(truncatingIfNeeded: crc >> 8) ^ byte)] }
        return Int(crc) & (count - 1)
    }

    static func of(_ key: [UInt8]) -> Int { key.withUnsafeBytes { of($0) } }
}
