namespace Tessera.Models.Tokenizers;

/// <summary>Makes a tokenizer's parts of a byte-level vocabulary's lists.</summary>
internal static class ByteLevelBuilder
{
    /// <summary>Checks the lists and builds the parts; <paramref name="file"/> is the name for messages.</summary>
    public static TokenizerParts Build(
        string file, IReadOnlyList<string> tokens, IReadOnlyList<string> merges, ByteLevelOptions options)
    {
        var ids = new Dictionary<string, int>(tokens.Count);
        for (int id = 0; id < tokens.Count; id++)
        {
            if (tokens[id].Length == 0 || WellFormedText.From(tokens[id]) != tokens[id] || !ids.TryAdd(tokens[id], id))
            {
                throw new InvalidDataException(
                    $"{file}: {options.TokensField}[{id}] '{FileField.Shorten(tokens[id])}' is empty, not valid Unicode or there before.");
            }
        }

        var builder = new MergeBuilder(file, options.MergesField, ids, merges.Count);
        foreach (string merge in merges)
        {
            builder.AddLine(merge.ToCharArray());
        }

        var added = new List<AddedToken>();
        foreach ((int id, bool special) in options.AddedTokens)
        {
            if ((uint)id >= (uint)tokens.Count)
            {
                throw new InvalidDataException($"{file}: {options.TokensField} has {tokens.Count} entries, but {id} is to be an added token.");
            }

            added.Add(new AddedToken(tokens[id], id) { Special = special });
        }

        foreach (int id in options.Prefix.Concat(options.Suffix))
        {
            if ((uint)id >= (uint)tokens.Count)
            {
                throw new InvalidDataException($"{file}: {options.TokensField} has {tokens.Count} entries, but {id} is to be added to texts.");
            }
        }

        return new TokenizerParts(
            new BpeModel(ids, builder.Table, new BpeOptions { MapsBytes = true, IgnoreMerges = options.IgnoreMerges }),
            options.NormalizesToFormC ? new ComposingNormalizer() : null,
            Steps(options.Pattern),
            next => new ByteLevelStage(next),
            added,
            [.. options.Prefix],
            [.. options.Suffix]);
    }

    private static PreTokenizerStep[] Steps(SplitPattern pattern) => pattern switch
    {
        SplitPattern.Llama3 => [new SplitStep(new LlamaSplitter(3)), new ByteLevelStep(false, false)],
        SplitPattern.Qwen2 => [new SplitStep(new LlamaSplitter(1)), new ByteLevelStep(false, false)],
        SplitPattern.DeepSeekV3 =>
            [new SplitStep(new NumberSplitter(3)), new SplitStep(new HanKanaSplitter()), new SplitStep(new DeepSeekSplitter()), new ByteLevelStep(false, false)],
        _ => [new ByteLevelStep(addPrefixSpace: false, usePattern: true)],
    };
}
