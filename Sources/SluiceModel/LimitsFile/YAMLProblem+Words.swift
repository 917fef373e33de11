internal import CYaml

extension YAMLProblem {
    static let tagged = "YAML tags (\"!\") have no meaning here; quote a text instead"

    /// What made libyaml stop, told to somebody who knows YAML by its looks.
    init(parser: yaml_parser_t, bytes: UnsafeBufferPointer<UInt8>, file: Int) {
        let problem = parser.problem.map { String(cString: $0) } ?? ""
        if parser.error == YAML_READER_ERROR {
            let position = SourcePosition(offset: parser.problem_offset, bytes: bytes, file: file)
            self.init(position: position, message: "not valid YAML: \(Self.wordsOfReader(problem, parser))")
            return
        }
        func position(_ mark: yaml_mark_t) -> SourcePosition {
            SourcePosition(file: file, line: mark.line + 1, column: mark.column + 1)
        }
        self.init(
            problem: problem, context: parser.context.map { String(cString: $0) } ?? "",
            at: position(parser.problem_mark), from: position(parser.context_mark), lines: SourceLines(bytes))
    }

    private static func wordsOfReader(_ problem: String, _ parser: yaml_parser_t) -> String {
        guard problem == "control characters are not allowed", let scalar = Unicode.Scalar(UInt32(parser.problem_value))
        else { return problem }
        return "a control character (\(scalar.codePoint)) stands here; delete it"
    }

    /// - Parameters:
    ///   - place: where libyaml stopped.
    ///   - start: where what it was reading began, if it says so.
    private init(
        problem: String, context: String, at place: SourcePosition, from start: SourcePosition, lines: SourceLines
    ) {
        var place = place
        let words: String
        // An invisible character between keys and values is the cause, whatever it led to.
        if let stranger = lines.invisible(in: place.line) ?? lines.invisible(in: start.line) {
            self.init(
                position: SourcePosition(file: place.file, line: stranger.line, column: stranger.column),
                message:
                    "not valid YAML: an invisible character (\(stranger.scalar.codePoint)) stands here; replace it "
                    + "by a plain space, or delete it")
            return
        }
        switch problem {
        case _ where problem.hasPrefix("Maximum nesting level"):
            self.init(position: place, message: "nested more than \(YAMLComposer.deepestLevel) levels deep")
            return
        case "found character that cannot start any token" where lines.scalar(at: place) == "\t",
            "found a tab character that violates indentation",
            "found a tab character where an indentation space is expected":
            words = "a tab cannot indent; use spaces"
        case "found character that cannot start any token":
            words = "a value cannot begin with this character; put it in quotes"
        case "could not find expected ':'":
            place = start
            let glued = lines.gluedKey(at: place)
            words =
                glued.map { "a space is missing behind the \":\" of \(quoted($0))" } ?? "expected \"key: value\" here"
        case "mapping values are not allowed in this context":
            if let line = lines.lineWithoutColon(before: place.line) {
                place = SourcePosition(file: place.file, line: line.number, column: line.indentation + 1)
                words = "expected \"key: value\" here"
            } else {
                words =
                    "a \":\" cannot stand here; check the indentation, or put a value that contains \": \" in quotes"
            }
        case "block sequence entries are not allowed in this context":
            words = "a \"-\" cannot stand here; begin the list on a line of its own below its key"
        case "did not find expected key", "did not find expected '-' indicator":
            words = Self.wordsOfStray(lines.lastBefore(place))
        case "did not find expected ',' or ']'", "did not find expected ',' or '}'":
            let bracket = problem.hasSuffix("']'") ? "]" : "}"
            words = "expected \",\" or \"\(bracket)\" to go on or close what was opened in line \(start.line)"
        case "found unexpected end of stream" where context.hasSuffix("quoted scalar"),
            "found unexpected document indicator" where context.hasSuffix("quoted scalar"):
            place = start
            words = "the quote opened here is never closed"
        case "found unknown escape character":
            words = "unknown escape; write \"\\\\\" for a backslash, or use single quotes"
        case "did not find expected hexdecimal number":
            words = "\\x needs 2 hexadecimal digits, \\u 4 and \\U 8"
        case "found invalid Unicode character escape code":
            words = "this escape stands for no character"
        case "did not find expected alphabetic or numeric character":
            place = start
            words = "put a value that begins with \"*\" or \"&\" in quotes"
        case "did not find expected node content":
            words = "a value is missing here"
        case "did not find expected <document start>":
            words = "the document has ended above this line; check its indentation and brackets"
        case "found undefined tag handle",
            _ where context.hasSuffix("a tag"):
            words = Self.tagged
        case _ where context.hasSuffix("a block scalar"):
            words = "only a line break can follow \"|\" or \">\"; put a value that begins with it in quotes"
        case _ where context.contains("directive"), "found incompatible YAML document",
            "found duplicate %YAML directive", "found duplicate %TAG directive":
            words = "a line that begins with \"%\" is for YAML itself, and this one says nothing it knows; delete it"
        case "mapping keys are not allowed in this context":
            words = "a \"? \" cannot stand here; put a value that begins with it in quotes"
        default:
            words = problem.isEmpty ? "it cannot be read" : problem
        }
        self.init(position: place, message: "not valid YAML: \(words)")
    }

    /// Where something stands that nothing above asks for.
    ///
    /// - Parameter before: what stands on the same line before it.
    private static func wordsOfStray(_ before: Unicode.Scalar?) -> String {
        switch before {
        case "'": "nothing can follow the closing quote; write '' for a ' inside of single quotes"
        case "\"": "nothing can follow the closing quote; write \\\" for a \" inside of double quotes"
        case "]", "}": "nothing can follow the closing bracket; check the brackets of this line"
        case nil, .some: "this line fits nothing above it; check its indentation"
        }
    }
}

/// The lines of a file that could not be read, to look for the cause around the place where that showed.
private struct SourceLines {
    private let bytes: UnsafeBufferPointer<UInt8>

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    /// The scalars of a line, from 1; without its end. Lines end where they do for libyaml, which counted them.
    private func line(_ number: Int) -> [Unicode.Scalar] {
        var line: [Unicode.Scalar] = []
        var current = 1
        var last: Unicode.Scalar?
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            defer { last = scalar }
            switch scalar {
            case "\n" where last == "\r":
                continue
            case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}":
                if current == number { return line }
                current += 1
            default:
                if current == number { line.append(scalar) }
            }
        }
        return line
    }

    func scalar(at place: SourcePosition) -> Unicode.Scalar? {
        let line = line(place.line)
        return line.indices.contains(place.column - 1) ? line[place.column - 1] : nil
    }

    /// The first invisible character of a line, unless it may be part of a quoted text or a comment.
    func invisible(in number: Int) -> (scalar: Unicode.Scalar, line: Int, column: Int)? {
        let line = line(number)
        guard let index = line.firstIndex(where: \.isInvisible) else { return nil }
        let isText = line[..<index].contains { $0 == "\"" || $0 == "'" || $0 == "#" }
        return isText ? nil : (line[index], number, index + 1)
    }

    /// The last character on the line before `place` that is no blank.
    func lastBefore(_ place: SourcePosition) -> Unicode.Scalar? {
        line(place.line).prefix(max(0, place.column - 1)).last { $0 != " " && $0 != "\t" }
    }

    /// The `check:login` that begins at `place`.
    func gluedKey(at place: SourcePosition) -> String? {
        let word = line(place.line).dropFirst(place.column - 1).prefix { $0 != " " && $0 != "\t" }
        guard let colon = word.firstIndex(of: ":"), colon > word.startIndex, colon + 1 < word.endIndex else {
            return nil
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: word)
        return String(text)
    }

    /// The line above `number`, if it is indented alike and has nothing to make a key of it: that one is wrong.
    func lineWithoutColon(before number: Int) -> (number: Int, indentation: Int)? {
        guard number > 1 else { return nil }
        let (above, own) = (line(number - 1), line(number))
        let indentation = above.prefix { $0 == " " }.count
        guard indentation == own.prefix(while: { $0 == " " }).count, indentation < above.count else { return nil }
        let first = above[indentation]
        guard !above.contains(":"), first != "-", first != "#", first != "]", first != "}" else { return nil }
        return (number - 1, indentation)
    }
}

extension SourcePosition {
    /// The place of a byte, where a line ends at a line feed.
    init(offset: Int, bytes: some Sequence<UInt8>, file: Int) {
        self.init(file: file, line: 1, column: 1)
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                // Every byte but a continuation byte of UTF-8 begins a scalar.
                column += 1
            }
        }
    }
}
