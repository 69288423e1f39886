namespace Tessera.Models.Tokenizers;

/// <summary>Makes normalisers, pre-tokenizers and decoders from their JSON; a type that is not known is refused by name.</summary>
internal static class ComponentReader
{
    /// <summary>The normaliser, or nothing.</summary>
    public static TextNormalizer? Normalizer(FileField? field)
    {
        if (field is not { } present)
        {
            return null;
        }

        var steps = new List<TextNormalizer>();
        AddNormalizers(present, steps);
        return steps.Count == 0 ? null : new NormalizerSequence(present.File, steps);
    }

    /// <summary>The pre-tokenizer's steps in order.</summary>
    public static List<PreTokenizerStep> PreTokenizer(FileField? field)
    {
        var steps = new List<PreTokenizerStep>();
        if (field is { } present)
        {
            AddPreTokenizers(present, steps);
        }

        return steps;
    }

    /// <summary>Makes a decoder's chain in front of a sink.</summary>
    public static Func<DecodingStage, DecodingStage> Decoder(FileField? field)
    {
        if (field is not { } present)
        {
            return next => new JoinStage(next);
        }

        var stages = new List<Func<DecodingStage, DecodingStage>>();
        AddDecoders(present, stages);
        stages.Reverse();
        return next => stages.Aggregate(next, (behind, stage) => stage(behind));
    }

    private static void AddNormalizers(FileField field, List<TextNormalizer> steps)
    {
        string type = field.Required("type").Text();
        switch (type)
        {
            case "Sequence":
                foreach (FileField item in field.Required("normalizers").Items())
                {
                    AddNormalizers(item, steps);
                }

                break;
            case "Prepend":
                steps.Add(new PrependNormalizer(field.Required("prepend").Text()));
                break;
            case "Replace":
                steps.Add(new ReplaceNormalizer(Literal(field.Required("pattern")), field.Required("content").Text()));
                break;
            case "NFC":
                steps.Add(new ComposingNormalizer());
                break;
            default:
                throw Unknown(field, type, "Sequence, Prepend, Replace and NFC");
        }
    }

    private static void AddPreTokenizers(FileField field, List<PreTokenizerStep> steps)
    {
        string type = field.Required("type").Text();
        if (type != "Sequence" && steps.Count > 0 && steps[^1].MapsBytes)
        {
            throw field.Error($"of type '{FileField.Shorten(type)}' stands behind a ByteLevel, which is supported only as the last step");
        }

        switch (type)
        {
            case "Sequence":
                foreach (FileField item in field.Required("pretokenizers").Items())
                {
                    AddPreTokenizers(item, steps);
                }

                break;
            case "Split":
                steps.Add(Split(field));
                break;
            case "ByteLevel":
                steps.Add(new ByteLevelStep(field.Required("add_prefix_space").Flag(), field.FlagOr("use_regex", true)));
                break;
            case "Digits":
                steps.Add(new DigitsStep(field.FlagOr("individual_digits", false)));
                break;
            case "Metaspace":
                steps.Add(new MetaspaceStep(field.Required("replacement").Character(), Scheme(field), field.FlagOr("split", true)));
                break;
            default:
                throw Unknown(field, type, "Sequence, Split, ByteLevel, Digits and Metaspace");
        }
    }

    private static SplitStep Split(FileField field)
    {
        FileField pattern = field.Required("pattern");
        FileField behavior = field.Required("behavior");
        string wanted = behavior.Text();
        bool invert = field.FlagOr("invert", false);
        bool coversAll = false;
        PieceSplitter splitter;
        if (pattern.Optional("Regex") is { } regex && !SplitPatterns.IsLiteral(regex.Text()))
        {
            (splitter, coversAll) = SplitPatterns.Find(regex.Text())
                ?? throw regex.Error($"'{FileField.Shorten(regex.Text())}' is not one of the supported patterns "
                    + "(Llama 3, Qwen, GPT-2, DeepSeek-V3, digits)");
        }
        else
        {
            string literal = Literal(pattern);
            splitter = wanted switch
            {
                "MergedWithNext" => new LiteralBoundarySplitter(literal, cutBefore: true),
                "MergedWithPrevious" => new LiteralBoundarySplitter(literal, cutBefore: false),
                _ => new LiteralSplitter(literal),
            };
            if (!invert && splitter is LiteralBoundarySplitter)
            {
                return new SplitStep(splitter);
            }
        }

        // Keeping only the matches is the same as isolating them where they leave nothing out.
        return (wanted == "Isolated" && !invert) || (wanted == "Removed" && invert && coversAll)
            ? new SplitStep(splitter)
            : throw behavior.Error($"'{FileField.Shorten(wanted)}' with invert {(invert ? "true" : "false")} "
                + "is not supported for this pattern");
    }

    private static void AddDecoders(FileField field, List<Func<DecodingStage, DecodingStage>> stages)
    {
        string type = field.Required("type").Text();
        switch (type)
        {
            case "Sequence":
                foreach (FileField item in field.Required("decoders").Items())
                {
                    AddDecoders(item, stages);
                }

                break;
            case "ByteLevel":
                stages.Add(next => new ByteLevelStage(next));
                break;
            case "ByteFallback":
                stages.Add(next => new ByteFallbackStage(next));
                break;
            case "Fuse":
                stages.Add(next => new FuseStage(next));
                break;
            case "Replace":
                string pattern = Literal(field.Required("pattern")), content = field.Required("content").Text();
                stages.Add(next => new ReplaceStage(next, pattern, content));
                break;
            case "Strip":
                AddStrip(field, stages);
                break;
            case "Metaspace":
                char mark = field.Required("replacement").Character();
                bool dropsFirst = Scheme(field) != PrependScheme.Never;
                stages.Add(next => new MetaspaceStage(next, mark, dropsFirst));
                break;
            default:
                throw Unknown(field, type, "Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip and Metaspace");
        }
    }

    private static void AddStrip(FileField field, List<Func<DecodingStage, DecodingStage>> stages)
    {
        char character = field.Required("content").Character();
        int start = field.Required("start").Number(int.MaxValue), stop = field.Required("stop").Number(int.MaxValue);
        if (start > 0)
        {
            stages.Add(next => new StripStartStage(next, character, start));
        }

        if (stop > 0)
        {
            stages.Add(next => new StripEndStage(next, character, stop));
        }
    }

    private static PrependScheme Scheme(FileField field)
    {
        if (!field.FlagOr("add_prefix_space", true))
        {
            return PrependScheme.Never;
        }

        if (field.Optional("prepend_scheme") is not { } scheme)
        {
            return PrependScheme.Always;
        }

        return scheme.Text() switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw scheme.Error($"is '{FileField.Shorten(scheme.Text())}', not always, first or never"),
        };
    }

    // {"String": "x"}, or a {"Regex": "x"} without anything special in it.
    private static string Literal(FileField pattern)
    {
        if (pattern.Optional("String") is { } text)
        {
            return text.Text().Length > 0 ? text.Text() : throw text.Error("is empty");
        }

        FileField regex = pattern.Required("Regex");
        return SplitPatterns.IsLiteral(regex.Text())
            ? regex.Text()
            : throw regex.Error($"'{FileField.Shorten(regex.Text())}' is a regular expression, which is not supported here; "
                + "only literal strings are");
    }

    private static InvalidDataException Unknown(FileField field, string type, string known) =>
        field.Error($"has the type '{FileField.Shorten(type)}', which is not supported; known are {known}");
}
