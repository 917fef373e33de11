import Foundation
import Logging

/// Writes each log line as one line of text, or one JSON object, to standard error.
///
/// Nothing that a message or its metadata carries can end the line or reach a terminal as a control character.
public struct LineLogHandler: LogHandler {
    public var logLevel = Logger.Level.info
    public var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: ServiceSettings.LogFormat
    private let write: @Sendable (String) -> Void

    /// - Parameter write: takes a line with its newline.
    public init(
        label: String,
        format: ServiceSettings.LogFormat,
        write: @escaping @Sendable (String) -> Void = { FileHandle.standardError.write(Data($0.utf8)) }
    ) {
        self.label = label
        self.format = format
        self.write = write
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = event.metadata.map { metadata.merging($0) { $1 } } ?? metadata
        let pairs = all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        let time = Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        switch format {
        case .text:
            var line = "\(time)Z \(event.level.rawValue) \(label): \(Self.plain(event.message.description))"
            for (key, value) in pairs { line += " \(Self.plain(key))=\(Self.word(value))" }
            write(line + "\n")
        case .json:
            var line =
                "{\"time\":\"\(time)Z\",\"level\":\"\(event.level.rawValue)\",\"logger\":\(Self.quoted(label)),"
                + "\"message\":\(Self.quoted(event.message.description))"
            for (key, value) in pairs where !["time", "level", "logger", "message"].contains(key) {
                line += ",\(Self.quoted(key)):\(Self.quoted(value))"
            }
            write(line + "}\n")
        }
    }

    /// Without control characters, those that turn text around included.
    private static func plain(_ text: String) -> String {
        escaped(text, quotes: false)
    }

    /// As it is when it is one plain word, else quoted.
    private static func word(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3D && $0 != 0x5C }
        return isPlain ? text : quoted(text)
    }

    private static func quoted(_ text: String) -> String {
        "\"\(escaped(text, quotes: true))\""
    }

    /// JSON's escapes, which serve for text as well.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"" where quotes, "\\" where quotes: result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator:
                    for unit in String(scalar).utf16 {
                        result +=
                            "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count)
                            + String(unit, radix: 16)
                    }
                default: result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}
