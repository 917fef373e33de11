extension LimitsReader {
    /// Where values stand: that decides what a network means.
    enum ValuePlace {
        /// In `when` or an override, compared with a request's value in its normal form.
        case condition
        /// On a list, where a network stands for every address in it.
        case list
    }

    /// One or more values of a dimension, in its normal form; nil unless all could be read.
    ///
    /// Messages name the dimension and never a value, because values are entities; of a network only what it should
    /// have been.
    func values(
        _ node: YAMLNode, of dimension: String, place: ValuePlace
    ) -> [(pattern: Pattern, position: SourcePosition)]? {
        guard let items = oneOrMore(node, name: dimension, of: "value") else { return nil }
        var seen: Set<Pattern> = []
        let values = items.compactMap { item -> (pattern: Pattern, position: SourcePosition)? in
            guard let text = text(item, name: dimension) else { return nil }
            let written = Pattern(spelled: text)
            guard !text.isEmpty else {
                report.error(at: item.position, "a value of \"\(dimension)\" is empty, which is the same as absent")
                return nil
            }
            guard written.text.utf8.count <= Caps.valueBytes else {
                report.error(at: item.position, "a value of \"\(dimension)\" is longer than 256 bytes")
                return nil
            }
            if let stranger = text.unicodeScalars.first(where: \.isInvisible) {
                report.warning(
                    at: item.position,
                    "an invisible character (\(stranger.codePoint)) is part of a value of \"\(dimension)\"")
            }
            guard let pattern = normalized(written, of: dimension, at: item.position, place) else { return nil }
            if !seen.insert(pattern).inserted {
                report.warning(at: item.position, "a value of \"\(dimension)\" is given twice")
            }
            return (pattern, item.position)
        }
        return values.count == items.count ? values : nil
    }

    private func normalized(
        _ pattern: Pattern, of dimension: String, at position: SourcePosition, _ place: ValuePlace
    ) -> Pattern? {
        switch declarations.normalizers[dimension] {
        case .ip where pattern.isPrefix:
            // The beginning of an address is none, but its digits are written as those of one.
            return pattern.applying(.lower)
        case .ip(let v4Prefix, let v6Prefix):
            return address(pattern, of: dimension, at: position, place, v4Prefix: v4Prefix, v6Prefix: v6Prefix)
        case .lower:
            guard allowsAsText(pattern, of: dimension, at: position, place) else { return nil }
            return pattern.applying(.lower)
        case nil:
            return allowsAsText(pattern, of: dimension, at: position, place) ? pattern : nil
        }
    }

    /// A network on a list of a dimension of another type would match nothing.
    private func allowsAsText(
        _ pattern: Pattern, of dimension: String, at position: SourcePosition, _ place: ValuePlace
    ) -> Bool {
        guard place == .list, !pattern.isPrefix, pattern.text.utf8.contains(UInt8(ascii: "/")),
            !declarations.isUnreadable(dimension)
        else { return true }
        do throws(IPNetwork.Problem) {
            _ = try IPNetwork(pattern.text)
        } catch .notAnAddress {
            return true
        } catch {}
        report.error(
            at: position,
            "a network needs a dimension of type ip; write \"dimensions: { \(dimension): ip }\" at the top of the file")
        return false
    }

    private func address(
        _ pattern: Pattern, of dimension: String, at position: SourcePosition, _ place: ValuePlace,
        v4Prefix: Int, v6Prefix: Int
    ) -> Pattern? {
        func isWhole(_ network: IPNetwork) -> Bool {
            network.prefix == (network.address.family == .v4 ? v4Prefix : v6Prefix)
        }
        func isMisplaced(_ network: IPNetwork) -> Bool {
            guard place == .condition, !isWhole(network) else { return false }
            report.error(
                at: position,
                "only \"lists\" take networks of \"\(dimension)\"; write single addresses, or the beginning of some "
                    + "such as \"203.0.113.*\"")
            return true
        }
        do throws(IPNetwork.Problem) {
            let network = try IPNetwork(pattern.text)
            guard pattern.text.utf8.contains(UInt8(ascii: "/")) else {
                return pattern.applying(.ip(v4Prefix: v4Prefix, v6Prefix: v6Prefix))
            }
            let normalizer = Normalizer.ip(v4Prefix: v4Prefix, v6Prefix: v6Prefix)
            return isMisplaced(network) ? nil : Pattern(normalizer.listText(of: network))
        } catch {
            switch error {
            case .notAnAddress:
                report.warning(at: position, "a value of \"\(dimension)\" is no IP address, which its type says it is")
                return pattern
            case .badPrefix(let longest):
                report.error(
                    at: position,
                    "a network of \"\(dimension)\" has 0 to \(longest) behind its \"/\", as in \"203.0.113.0/24\"")
            case .hostBitsSet(let network):
                if !isMisplaced(network) {
                    report.error(
                        at: position,
                        "a network of \"\(dimension)\" has bits set behind its /\(network.prefix); write "
                            + "\"\(network)\", or the address alone")
                }
            }
            return nil
        }
    }
}

extension Pattern {
    /// Its text in normal form.
    fileprivate func applying(_ normalizer: Normalizer) -> Pattern {
        var bytes: [UInt8] = []
        let isChanged = Array(text.utf8).withUnsafeBytes { normalizer.apply($0, into: &bytes) }
        return isChanged ? Pattern(String(decoding: bytes, as: UTF8.self), isPrefix: isPrefix) : self
    }
}
