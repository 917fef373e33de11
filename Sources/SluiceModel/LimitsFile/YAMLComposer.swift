internal import CYaml

/// Something that keeps a text from being one readable YAML document, in plain words.
struct YAMLProblem: Equatable {
    var position: SourcePosition
    var message: String
}

/// Composes one YAML document from libyaml's events.
///
/// Yams' own composer is not used: it refuses a whole file for one repeated key, recurses once per level, and hashes
/// mapping keys with their aliases expanded, which takes exponential time on a hostile file. Here depth and alias
/// expansion are bounded, repeated keys stay visible to the reader of the tree, and what precedes a syntax error is
/// kept, so that one mistake does not hide the others.
struct YAMLComposer {
    /// A limits file needs eight levels.
    static let deepestLevel = 32
    /// What all aliases of a file may stand for together.
    static let aliasWeight = 100_000 * YAMLNode.baseWeight
    /// Levels kept when the text breaks off inside of them: the file's mapping and the list of rules.
    private static let levelsKeptBroken = 2

    private let file: Int
    private var open: [OpenCollection] = []
    private var root: YAMLNode?
    private var anchors: [String: YAMLNode] = [:]
    private var aliasBudget = Self.aliasWeight
    private var problems: [YAMLProblem] = []

    private struct OpenCollection {
        var position: SourcePosition
        var isMapping: Bool
        var anchor: String?
        /// The items of a list, or keys and values of a mapping in turn.
        var nodes: [YAMLNode] = []
        var weight = YAMLNode.baseWeight

        func closed() -> YAMLNode {
            guard isMapping else {
                return YAMLNode(content: .sequence(nodes), position: position, weight: weight)
            }
            let pairs = stride(from: 0, to: nodes.count - nodes.count % 2, by: 2).map {
                YAMLNode.Pair(key: nodes[$0], value: nodes[$0 + 1])
            }
            return YAMLNode(content: .mapping(pairs), position: position, weight: weight)
        }
    }

    /// The root of `text`'s only document, nil if it holds none, and everything that is wrong with it as YAML.
    static func compose(_ text: String, file: Int) -> (root: YAMLNode?, problems: [YAMLProblem]) {
        var composer = YAMLComposer(file: file)
        var text = text
        text.withUTF8 { bytes in
            // Some editors begin a file with a byte order mark, which says nothing in UTF-8.
            let mark = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
            composer.run(UnsafeBufferPointer(rebasing: bytes[mark...]))
        }
        return (composer.root, composer.problems)
    }

    private init(file: Int) {
        self.file = file
    }

    private mutating func run(_ bytes: UnsafeBufferPointer<UInt8>) {
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else {
            problems.append(YAMLProblem(position: position(yaml_mark_t()), message: "out of memory"))
            return
        }
        defer { yaml_parser_delete(&parser) }
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)

        var isReading = true
        while isReading {
            var event = yaml_event_t()
            guard yaml_parser_parse(&parser, &event) == 1 else {
                problems.append(YAMLProblem(parser: parser, bytes: bytes, file: file))
                break
            }
            isReading = take(event)
            yaml_event_delete(&event)
        }
        keepWhatIsOpen()
    }

    /// Adds one event to the tree; false ends the reading.
    private mutating func take(_ event: yaml_event_t) -> Bool {
        let position = position(event.start_mark)
        switch event.type {
        case YAML_DOCUMENT_START_EVENT:
            guard root == nil else {
                return refuse(position, "a second document starts here; a limits file holds one, without \"---\" lines")
            }
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let isTagged = checkTag(scalar.tag, position)
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            let node = YAMLNode(
                content: isTagged
                    ? .unreadable : .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE),
                position: position, weight: YAMLNode.baseWeight + scalar.length)
            remember(node, as: string(scalar.anchor))
            append(node)
        case YAML_SEQUENCE_START_EVENT:
            checkTag(event.data.sequence_start.tag, position)
            return push(
                OpenCollection(
                    position: position, isMapping: false, anchor: string(event.data.sequence_start.anchor)))
        case YAML_MAPPING_START_EVENT:
            checkTag(event.data.mapping_start.tag, position)
            return push(
                OpenCollection(position: position, isMapping: true, anchor: string(event.data.mapping_start.anchor)))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            guard let collection = open.popLast() else { return false }
            let node = collection.closed()
            remember(node, as: collection.anchor)
            append(node)
        case YAML_ALIAS_EVENT:
            return takeAlias(string(event.data.alias.anchor) ?? "", position)
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT:
            return false
        default:
            break
        }
        return true
    }

    private mutating func takeAlias(_ name: String, _ position: SourcePosition) -> Bool {
        guard let node = anchors[name] else {
            problems.append(
                YAMLProblem(
                    position: position,
                    message: "no anchor \(quoted("&" + name)) stands above; "
                        + "put a value that begins with \"*\" in quotes"))
            append(YAMLNode(content: .unreadable, position: position, weight: YAMLNode.baseWeight))
            return true
        }
        aliasBudget -= node.weight
        guard aliasBudget >= 0 else {
            return refuse(position, "the aliases of this file stand for too much; write out what they repeat")
        }
        append(node)
        return true
    }

    private mutating func push(_ collection: OpenCollection) -> Bool {
        guard open.count < Self.deepestLevel else {
            return refuse(collection.position, "nested more than \(Self.deepestLevel) levels deep")
        }
        open.append(collection)
        return true
    }

    private mutating func append(_ node: YAMLNode) {
        guard !open.isEmpty else {
            root = node
            return
        }
        open[open.count - 1].nodes.append(node)
        open[open.count - 1].weight += node.weight
    }

    private mutating func remember(_ node: YAMLNode, as anchor: String?) {
        guard let anchor else { return }
        if let first = anchors.updateValue(node, forKey: anchor) {
            problems.append(
                YAMLProblem(
                    position: node.position,
                    message: "the anchor \(quoted("&" + anchor)) is already given in line \(first.position.line); "
                        + "give this one a name of its own"))
        }
    }

    private mutating func refuse(_ position: SourcePosition, _ message: String) -> Bool {
        problems.append(YAMLProblem(position: position, message: message))
        return false
    }

    /// True if there is one, which has then been reported.
    @discardableResult
    private mutating func checkTag(_ tag: UnsafeMutablePointer<yaml_char_t>?, _ position: SourcePosition) -> Bool {
        guard tag != nil else { return false }
        problems.append(YAMLProblem(position: position, message: YAMLProblem.tagged))
        return true
    }

    private mutating func keepWhatIsOpen() {
        let levelsDropped = max(0, open.count - Self.levelsKeptBroken)
        open.removeLast(levelsDropped)
        // What precedes a dropped level ended well before the break.
        var isNextToBreak = levelsDropped == 0
        while let collection = open.popLast() {
            var node = collection.closed()
            if isNextToBreak { node.markBrokenOff() }
            node.isComplete = false
            isNextToBreak = false
            append(node)
        }
    }

    private func position(_ mark: yaml_mark_t) -> SourcePosition {
        SourcePosition(file: file, line: mark.line + 1, column: mark.column + 1)
    }

    private func string(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        text.map { String(decodingCString: $0, as: UTF8.self) }
    }
}
