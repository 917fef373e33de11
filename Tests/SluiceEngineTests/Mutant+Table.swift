/// One comparison, one bound or one guard each, file by file.
extension Mutant {
    static let byPart: [[Mutant]] = [cells, sets, events, undo, judging, origins, reading, plain, writing]
    static let all = byPart.flatMap { $0 }

    private static let cells: [Mutant] = [
        Mutant(
            "pairs ahead of a clock that was set back move to a tick too early", in: .cells,
            "return own < k and own or k end", becomes: "return own < k and own or k - 1 end"),
        Mutant(
            "an outcome at the very edge of the window is left out", in: .cells, "if aged < k - math.ceil",
            becomes: "if aged <= k - math.ceil"),
        Mutant(
            "an outcome beyond the window is counted", in: .cells, "then return 0, 0 end\n    k = aged",
            becomes: "then end\n    k = aged"),
        Mutant(
            "slices are cut once more", in: .cells, "last[c] and tick[c] == 1 and s > 1", becomes: "last[c] and s > 1"),
        Mutant("a log is never cut into slices", in: .cells, "if cut then slice(c, s) end", becomes: ""),
        Mutant(
            "a last pair wider than its field goes into the body", in: .cells, "or lastW[c] >= POW[wgtW[c]] or k",
            becomes: "or k"),
        Mutant(
            "a lone pair is bumped behind its front", in: .cells, "if at[c] > #body[c] then firstW[c] = bumped end",
            becomes: ""),
        Mutant(
            "the wait forgets that the first pair goes first", in: .cells, "w - (max - total[c]) - firstW[c]",
            becomes: "w - (max - total[c])"),
        Mutant(
            "the wait asks for more room than is needed", in: .cells, "while excess > 0 do",
            becomes: "while excess >= 0 do"),
        Mutant(
            "the wait ends a tick early", in: .cells, "return (k + ticks[c] + 1) * tick[c] - now",
            becomes: "return (k + ticks[c]) * tick[c] - now"),
        Mutant("an undo takes from a pair in the middle", in: .cells, "if i > 1 or (until_", becomes: "if (until_"),
        Mutant("an undo leaves an empty pair behind", in: .cells, "if ws[i] == 0 then", becomes: "if false then"),
        Mutant(
            "a last pair wider than its field is written", in: .cells, "if lastW[c] >= POW[wgtW[c]] or total",
            becomes: "if total"),
        Mutant(
            "pairs that come to share a tick lose weight", in: .cells, "ws[m] = ws[m] + ws[i]", becomes: "ws[m] = ws[m]"
        ),
        Mutant(
            "the offsets leave too little room", in: .names, "while POW[width] <= need do",
            becomes: "while POW[width + 1] <= need do"),
        Mutant(
            "what merges in a lone cap is looked for behind the pairs", in: .cells, "pairs_ == cap + 1 and cap > 1",
            becomes: "pairs_ == cap + 1 and cap > 0", caughtBy: .smallScope(.filled)),
        Mutant(
            "a merged pair loses the weight of the older", in: .cells, "w = w + firstW[c]", becomes: "w = w",
            caughtBy: .smallScope(.merging)),
        Mutant(
            "a merged pair may be wider than its field", in: .cells, "if w < POW[ww] and w <= EXACT then",
            becomes: "if w <= EXACT then", caughtBy: .smallScope(.widths)),
        Mutant(
            "an offset wider than its field is appended", in: .cells, "or k - base[c] >= POW[offW[c]] then",
            becomes: "then", caughtBy: .smallScope(.widths)),
    ]

    private static let sets: [Mutant] = [
        Mutant("a value seen again is not marked", in: .sets, "    again = 1\n", becomes: "    again = 0\n"),
        Mutant("a set keeps one value too many", in: .sets, "- cCap[counter]\n", becomes: "- cCap[counter] - 1\n"),
        Mutant(
            "the wait is for one value too few", in: .sets, "gone = MEMBER + offW[c], total[c] - max + 1",
            becomes: "gone = MEMBER + offW[c], total[c] - max"),
        Mutant(
            "the wait thinks the value still there when it has gone", in: .sets, "gone - 1 < (place - 1) / width + 1",
            becomes: "gone - 1 <= (place - 1) / width + 1"),
        Mutant(
            "an undo takes out a value that another event put in", in: .sets, "if seen ~= own or again == 1 then",
            becomes: "if again == 1 then"),
        Mutant(
            "values ahead of a clock that was set back stay there", in: .sets,
            "if seen > latest then seen = latest end", becomes: ""),
        Mutant(
            "a block is forgotten while it still escalates", in: .sets, "- state[1] * state[3] < 86400000",
            becomes: "- state[1] * state[3] < 0"),
        Mutant(
            "a counter of another measure is read as one's own", in: .sets,
            "if widths == 0 or flags % 4 ~= cMeasure[counter] then", becomes: "if widths == 0 then"),
        Mutant(
            "a value expires a millisecond early", in: .sets, "and seenAt(c, place) < floor do",
            becomes: "and seenAt(c, place) <= floor do", caughtBy: .smallScope(.values)),
    ]

    private static let events: [Mutant] = [
        Mutant(
            "an undone event comes back as one that was not", in: .events, "flags % 2 == 1, flags >= 2, verdict",
            becomes: "flags % 2 == 1, flags > 2, verdict")
    ]

    private static let undo: [Mutant] = [
        Mutant(
            "an undo of a part takes all", in: .undo,
            "share[measure] > 0 and share[measure] < weight and share[measure] or weight", becomes: "weight"),
        Mutant(
            "an undo takes more than the event counted", in: .undo,
            "share[measure] > 0 and share[measure] < weight and", becomes: "share[measure] > 0 and"),
        Mutant(
            "an undo of a check keeps the record from counting", in: .undo,
            "if not known or e.answered and not e.undone then", becomes: "if not known or not e.undone then"),
        Mutant(
            "an undone event is forgotten as early as a refusal", in: .undo,
            "if now + memory > e.ends then e.ends = now + memory end", becomes: ""),
        Mutant(
            "an event is undone twice", in: .undo, "if e.answered and not e.undone then toUndo",
            becomes: "if e.answered then toUndo"),
        Mutant(
            "an event is remembered a millisecond too long", in: .undo, "if now >= e.ends then",
            becomes: "if now > e.ends then", caughtBy: .smallScope(.events)),
        Mutant(
            "an undo that came first is not remembered as known", in: .undo, "known = known or e.answered or e.undone",
            becomes: "known = known or e.answered", caughtBy: .smallScope(.events)),
    ]

    private static let judging: [Mutant] = [
        Mutant(
            "a request that would fill the limit trips it", in: .decideJudge, "local full = w > max - used or max == 0",
            becomes: "local full = w >= max - used or max == 0"),
        Mutant(
            "a block that is too long stays", in: .decideJudge, "if left > state[3] + 1000 then",
            becomes: "if left > state[3] + 100000 then"),
        Mutant(
            "a shadow rule counts what it would have denied", in: .decideJudge,
            "or verdict < 3 and not ownDenial[u]) then", becomes: "or verdict < 3) then"),
        Mutant(
            "a shadow rule stops at any of its trips", in: .decideJudge,
            "if lVerdict[l] == 3 then ownDenial[u] = true end", becomes: "ownDenial[u] = true"),
        Mutant("attempts are not counted", in: .decideJudge, "vFlags[v] % 2 == 1 or isAllowed", becomes: "isAllowed"),
        Mutant(
            "a denial stops nobody", in: .decideJudge, "or verdict < 3 and not ownDenial[u]",
            becomes: "or not ownDenial[u]"),
        Mutant(
            "a shadow rule blocks", in: .decideJudge, "and not tripBlocked[t] and vFlags[useVariant[tripUse[t]]] < 2",
            becomes: "and not tripBlocked[t]"),
        Mutant(
            "a block goes one step too far", in: .decideJudge, "if level >= #lengths then level = #lengths - 1 end",
            becomes: "if level >= #lengths then level = 0 end"),
        Mutant(
            "a block never decays", in: .decideJudge, "level = state[1] - (quiet - quiet % state[3]) / state[3]",
            becomes: "level = state[1]"),
        Mutant(
            "of equally tight limits the last is told", in: .decideJudge, "if share < least then",
            becomes: "if share <= least then"),
        Mutant(
            "a maximum of 0 is not the tightest", in: .decideJudge, "max > 0 and remaining / max or 0",
            becomes: "max > 0 and remaining / max or 1"),
        Mutant(
            "the wait for a block is not told", in: .decideJudge,
            "if left > wait then wait = left end\n    end\n    if vFlags", becomes: "end\n    if vFlags"),
        Mutant(
            "a refusal of a time to come is told again", in: .decideJudge,
            " and not (e.verdict == 3 and now < e.at - 1000) then", becomes: " then"),
        Mutant(
            "a refusal is remembered as long as an answer", in: .decideJudge, "    ends = now + wait\n", becomes: ""),
        Mutant(
            "an admitted event is forgotten at once", in: .decideJudge, "elseif verdict == 3 and wait >= 0 and",
            becomes: "elseif wait >= 0 and"),
        Mutant(
            "an undone event comes back as undone when it is forgotten", in: .decideJudge,
            "if e and not isKnown then e.undone = false end", becomes: ""),
        Mutant(
            "an undone check mends clocks", in: .decideJudge, "if isUndone and mode == 0 then mode = 1 end", becomes: ""
        ),
        Mutant(
            "an undone check counts", in: .decideJudge, "if mode ~= 1 and not isUndone then",
            becomes: "if mode ~= 1 then"),
        Mutant(
            "what was undone is remembered too briefly", in: .decideJudge, "if e.ends > ends then ends = e.ends end",
            becomes: ""),
        Mutant(
            "what a request did not change for good is kept", in: .decideJudge,
            "if changedBy[c] ~= item then\n        if saved", becomes: "if false then\n        if saved"),
        Mutant(
            "what a request changed for good is put back", in: .decideJudge,
            "if changedBy[c] ~= item then\n        if saved", becomes: "if true then\n        if saved"),
        Mutant(
            "a peek's clock steps are counted", in: .decideJudge, "if changedBy[steppedCell[i]] == item then steps",
            becomes: "if true then steps"),
        Mutant(
            "a cell's clock step is counted twice", in: .decideJudge, "if steppedIn[c] == item then return end",
            becomes: ""),
        Mutant(
            "a peek keeps the clock step that it found", in: .decideJudge,
            "if mode == 0 then dirty[c], changedBy[c] = true, item end", becomes: "dirty[c], changedBy[c] = true, item"),
        Mutant(
            "a value in the set weighs as a new one", in: .decideJudge,
            "if member then w = placeOf(c, member) and 0 or 1 end", becomes: "if member then w = 1 end"),
        Mutant(
            "a rule that counts nothing of this judges by its cost", in: .decideJudge, "or amount) or 1\n",
            becomes: "or amount) or cost\n"),
        Mutant(
            "one event's weights are undone in another life", in: .decideJudge,
            "if not life[c] then\n", becomes: "if true then\n"),
    ]

    private static let origins: [Mutant] = [
        Mutant(
            "a pair is dropped a tick early", in: .origins, "drop(c, k - ticks[c])",
            becomes: "drop(c, k - ticks[c] + 1)"),
        Mutant(
            "a pair stays a tick too long", in: .origins, "if first[c] < k - ticks[c] then",
            becomes: "if first[c] < k - ticks[c] - 1 then"),
        Mutant("a counter's life is not put back", in: .origins, "total[c], life[c] }", becomes: "total[c] }"),
    ]

    private static let reading: [Mutant] = [
        Mutant(
            "missing counters start from nothing", in: .decideGeneral,
            "if not value then namesOf[k] = namesOf[k] or call('HKEYS', KEYS[k]) end", becomes: ""),
        Mutant(
            "block_for has one step", in: .decide, "unpack(V, i, i + steps - 1)", becomes: "unpack(V, i, i)"),
    ]

    private static let plain: [Mutant] = [
        Mutant(
            "a plain cell takes one more than its limits", in: .decidePlain, "not cell or w > cell[ROOM]",
            becomes: "not cell or w > cell[ROOM] + 1"),
        Mutant(
            "a brief request takes one more than its limits", in: .decidePlain, "not cell or cost > cell[ROOM]",
            becomes: "not cell or cost > cell[ROOM] + 1", caughtBy: .smallScope(.limiting)),
        Mutant(
            "of equally tight brief limits the last is told", in: .decidePlain, "if (max - total) / max < least then",
            becomes: "if (max - total) / max <= least then", caughtBy: .smallScope(.limiting)),
        Mutant(
            "what is only judged never trips", in: .decidePlain, "not cell or cell[ROOM] < 1", becomes: "not cell",
            caughtBy: .smallScope(.guarding)),
        Mutant(
            "a plain cell has no limits", in: .decidePlain,
            "room > most and most or room - 1", becomes: "room - 1"),
        Mutant(
            "a weight grows wider than its bytes", in: .decidePlain,
            "  if most - lw < room then room = most - lw end\n", becomes: "",
            caughtBy: .smallScope(.growing)),
        Mutant(
            "a pair too old stays", in: .decidePlain, "until o >= floor", becomes: "until o >= floor - 1",
            caughtBy: .smallScope(.expiring)),
        Mutant("a pair still young goes", in: .decidePlain, "  if o < floor then", becomes: "  if o <= floor then"),
        Mutant(
            "what is dropped still weighs", in: .decidePlain, "sum, from = sum - w, from + width",
            becomes: "from = from + width"),
        Mutant(
            "a pair ahead of now is counted on", in: .decidePlain, "  if k < l then return false end\n", becomes: ""),
        Mutant(
            "a base moves and its pairs stay", in: .decidePlain, "later - o, weight", becomes: "later, weight",
            caughtBy: .smallScope(.moving)),
        Mutant(
            "a key is new whatever it holds", in: .decidePlain, "#call('HKEYS', key) == 0", becomes: "true"),
        Mutant(
            "of equally tight plain limits the last is told", in: .decidePlain, "remaining / max < least",
            becomes: "remaining / max <= least"),
        Mutant(
            "limits of shadow rules are not numbered", in: .decidePlain, "ordinal = ordinal + #limits / 4", becomes: ""),
        Mutant("a peek counts", in: .decidePlain, "if flags > 1 and mode ~= 1 then", becomes: "if flags > 1 then"),
        Mutant(
            "a plain sum adds up costs", in: .decidePlain,
            "        if variant[KIND] == 1 then w = amount end\n        for i", becomes: "        for i"),
        Mutant(
            "the callers' clock stands still", in: .decidePlain, "      goOn()\n", becomes: ""),
        Mutant(
            "what plain requests left is not taken over", in: .decideGeneral,
            "load(c, counter, bytesOfPlain(cell))", becomes: "load(c, counter, cell[12])"),
    ]

    private static let writing: [Mutant] = [
        Mutant(
            "old windows are not swept after rules changed", in: .decideWrite,
            "if not raw[c] or stamp[c] ~= cPrint[counter] then", becomes: "if not raw[c] then")
    ]
}
