namespace Tessera.Models.Tokenizers;

/// <summary>
/// Text to token ids and back, as a Hugging Face <c>tokenizer.json</c>, a SentencePiece model or another vocabulary says. Immutable and safe for any number of threads.
/// </summary>
/// <remarks>
/// Encoding: added tokens that are not normalised are found in the text; what lies between is normalised; normalised added tokens
/// are found in it; the rest is cut into pieces; each piece is encoded by byte pairs; on request the file's template adds tokens.
/// A lone surrogate is no character: it is encoded as U+FFFD, so a byte-level vocabulary without normaliser gives back every text
/// with its lone surrogates replaced. <c>truncation</c> and <c>padding</c> of the file are not applied.
/// </remarks>
public sealed class Tokenizer
{
    private readonly TokenizerParts _parts;
    private readonly AddedTokenMatcher _rawTokens;
    private readonly AddedTokenMatcher _normalizedTokens;
    private readonly Dictionary<string, int> _addedIds = [];
    private readonly string?[] _texts;
    private readonly string?[] _decodingTexts;
    private readonly HashSet<int> _specialIds;

    private Tokenizer(TokenizerParts parts)
    {
        _parts = parts;
        _rawTokens = new AddedTokenMatcher(parts.AddedTokens.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _normalizedTokens = new AddedTokenMatcher(
            parts.AddedTokens.Where(token => token.Normalized).Select(token => (token.NormalizedForm ?? Normalize(token.Content), token)));
        _specialIds = [.. parts.AddedTokens.Where(token => token.Special).Select(token => token.Id)];
        int size = 0;
        foreach ((_, int id) in parts.Model.Vocabulary)
        {
            size = Math.Max(size, id + 1);
        }

        foreach (AddedToken token in parts.AddedTokens)
        {
            size = Math.Max(size, token.Id + 1);
        }

        _texts = new string?[size];
        foreach ((string text, int id) in parts.Model.Vocabulary)
        {
            _texts[id] = text;
        }

        foreach (AddedToken token in parts.AddedTokens)
        {
            _texts[token.Id] = token.Content;
            _addedIds[token.Content] = token.Id;
        }

        _decodingTexts = parts.UnknownSurface is null && !parts.AddedTokens.Any(token => token.Normalized) ? _texts : [.. _texts];
        foreach (AddedToken token in parts.AddedTokens.Where(token => token.Normalized))
        {
            _decodingTexts[token.Id] = token.NormalizedForm ?? Normalize(token.Content);
        }

        Cuts = CutRule.Of(parts);
        if (parts.UnknownSurface is var (unknown, surface))
        {
            _decodingTexts[unknown] = surface;
        }
    }

    /// <summary>One more than the highest id: the least number of rows that a model's embedding needs.</summary>
    public int VocabularySize => _texts.Length;

    /// <summary>The ids of control tokens such as <c>&lt;|eot_id|&gt;</c>.</summary>
    public IReadOnlySet<int> SpecialIds => _specialIds;

    /// <summary>What the file's template puts in front of a text, such as a token for the beginning; often nothing.</summary>
    public IReadOnlyList<int> PrefixIds => _parts.Prefix;

    /// <summary>
    /// Reads a tokenizer: a <c>tokenizer.json</c>, a SentencePiece model of type BPE or Llama 3's ranks (both called
    /// <c>tokenizer.model</c>), GPT-2's <c>vocab.json</c> with <c>merges.txt</c>, or llama2.c's <c>tokenizer.bin</c>; any of them may
    /// be compressed by gzip.
    /// </summary>
    /// <param name="path">Such a file, or a folder that holds one.</param>
    /// <exception cref="InvalidDataException">
    /// The file is broken or uses what is not supported; the message names file and field.
    /// </exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static Tokenizer Load(string path) => new(TokenizerFile.Read(
        !Directory.Exists(path) ? path
        : Find(path) ?? throw new FileNotFoundException($"{path}: none of {TokenizerFile.KnownNames} is there.")));

    /// <summary>The names that the files of a tokenizer may have in a model's folder.</summary>
    public static IReadOnlyList<string> FileNames => TokenizerFile.AllNames;

    /// <summary>The file in a folder that <see cref="Load"/> reads, or null where it holds none.</summary>
    public static string? Find(string folder) => TokenizerFile.Find(folder);

    /// <summary>A tokenizer of a SentencePiece vocabulary of type BPE, given as pieces with scores.</summary>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <param name="pieces">The pieces; the index is the id. Texts must differ.</param>
    /// <param name="options">How they are used.</param>
    /// <exception cref="InvalidDataException">The pieces are no such vocabulary; the message names source and piece.</exception>
    public static Tokenizer FromSentencePieces(string source, IReadOnlyList<SentencePiece> pieces, SentencePieceOptions options) =>
        new(SentencePieceBuilder.Build(source, pieces, options));

    /// <summary>A tokenizer of a byte-level vocabulary, given as tokens in the byte alphabet and merges.</summary>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <param name="tokens">The tokens; the index is the id. Texts must differ.</param>
    /// <param name="merges">Two tokens with one space between, first merges first.</param>
    /// <param name="options">How they are used.</param>
    /// <exception cref="InvalidDataException">They are no such vocabulary; the message names source and entry.</exception>
    public static Tokenizer FromByteLevel(
        string source, IReadOnlyList<string> tokens, IReadOnlyList<string> merges, ByteLevelOptions options) =>
        new(ByteLevelBuilder.Build(source, tokens, merges, options));

    /// <summary>A tokenizer of a tokenizer.json that was made in memory.</summary>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <param name="json">Its bytes.</param>
    internal static Tokenizer FromJson(string source, ReadOnlyMemory<byte> json) => new(TokenizerReader.Read(source, json));

    /// <summary>The ids of a text.</summary>
    /// <param name="text">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether the file's template adds its tokens, such as one for the beginning.</param>
    /// <param name="parseSpecial">
    /// Whether the text of a control token becomes that token. Pass false for text from strangers: it is then encoded as ordinary text.
    /// Added tokens that are not control tokens are found either way. Null does what the reference library of the file's kind does:
    /// a SentencePiece model reads such text as ordinary text, all others read the token.
    /// </param>
    public int[] Encode(string text, bool addSpecialTokens, bool? parseSpecial = null)
    {
        var ids = new List<int>();
        Encode(text, ids, addSpecialTokens, parseSpecial);
        return [.. ids];
    }

    /// <summary>Appends the ids of a text to <paramref name="output"/>.</summary>
    /// <inheritdoc cref="Encode(string, bool, bool?)" path="/param" />
    /// <param name="text">Any text; lone surrogates count as U+FFFD.</param>
    /// <param name="output">Where the ids are added.</param>
    /// <param name="addSpecialTokens">Whether the file's template adds its tokens.</param>
    /// <param name="parseSpecial">Whether the text of a control token becomes that token; null for the custom of the file's kind.</param>
    public void Encode(ReadOnlySpan<char> text, List<int> output, bool addSpecialTokens, bool? parseSpecial = null)
    {
        if (addSpecialTokens)
        {
            output.AddRange(_parts.Prefix);
        }

        EncodePart(WellFormedText.From(text), output, parseSpecial, continues: false);
        if (addSpecialTokens)
        {
            output.AddRange(_parts.Suffix);
        }
    }

    /// <summary>The ids of many texts, in their order, on several threads.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="addSpecialTokens">Whether the file's template adds its tokens to each.</param>
    /// <param name="parseSpecial">As in <see cref="Encode(string, bool, bool?)"/>.</param>
    /// <param name="threads">How many threads; 0 for one a processor.</param>
    public int[][] EncodeAll(IReadOnlyList<string> texts, bool addSpecialTokens, bool? parseSpecial = null, int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        var results = new int[texts.Count][];
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads == 0 ? Environment.ProcessorCount : threads };
        Parallel.For(0, results.Length, options, i => results[i] = Encode(texts[i], addSpecialTokens, parseSpecial));
        return results;
    }

    /// <summary>
    /// The text of a sequence of ids; ids that are not in the vocabulary give nothing, and bytes that are no UTF-8 give U+FFFD.
    /// </summary>
    /// <remarks>
    /// As in the reference library (0.23) an added token that is found in normalised text is decoded from its normalised form, and
    /// is left out as special only if that form is its own text.
    /// </remarks>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var decoder = new StreamingDecoder(this, skipSpecialTokens);
        return decoder.Decode(ids);
    }

    /// <summary>The id of a token by its text as the vocabulary writes it, or nothing.</summary>
    public int? TokenId(string content) =>
        _addedIds.TryGetValue(content, out int id) || _parts.Model.Vocabulary.TryGetValue(content, out id) ? id : null;

    /// <summary>The text of a token as the vocabulary writes it (byte-level vocabularies write a space as Ġ), or nothing.</summary>
    public string? TokenText(int id) => (uint)id < (uint)_texts.Length ? _texts[id] : null;

    /// <summary>Whether an id is found in the text as it stands, before the vocabulary's own rules apply.</summary>
    internal bool IsAdded(int id) => (uint)id < (uint)_texts.Length && _texts[id] is { } text && _addedIds.ContainsKey(text);

    /// <summary>Whether an id is a control token.</summary>
    public bool IsSpecial(int id) => _specialIds.Contains(id);

    /// <summary>What a decoder is given for an id, or nothing if the id is unknown or left out.</summary>
    internal string? DecodingText(int id, bool skipSpecialTokens)
    {
        string? text = (uint)id < (uint)_decodingTexts.Length ? _decodingTexts[id] : null;
        return skipSpecialTokens && _specialIds.Contains(id) && text == _texts[id] ? null : text;
    }

    /// <summary>A fresh chain of decoding stages in front of a sink.</summary>
    internal DecodingStage CreateDecoder(DecodingStage sink) => _parts.Decoder(sink);

    /// <summary>Where texts can be cut without a change of their ids; null for nowhere.</summary>
    internal CutRule? Cuts { get; }

    /// <summary>The template's tokens behind a text.</summary>
    internal IReadOnlyList<int> SuffixIds => _parts.Suffix;

    /// <summary>
    /// Appends the ids of a part of a text without those of the template; <paramref name="continues"/> says that another part,
    /// cut as <see cref="Cuts"/> allows, stands before it.
    /// </summary>
    internal void EncodePart(string input, List<int> output, bool? parseSpecial, bool continues)
    {
        bool parses = parseSpecial ?? _parts.ParsesSpecial;
        var sections = new List<AddedTokenMatcher.Section>();
        _rawTokens.Find(input, parses, sections);
        var buffer = new PieceBuffer();
        foreach (AddedTokenMatcher.Section section in sections)
        {
            if (section.Token is not null)
            {
                output.Add(section.Token.Id);
                continue;
            }

            string plain = section.End - section.Start == input.Length ? input : input[section.Start..section.End];
            bool first = section.Start == 0;
            string normalized = first && continues ? _parts.Normalizer?.Continue(plain) ?? plain : Normalize(plain);
            EncodeNormalized(normalized, first && !continues, parses, buffer, output);
        }
    }

    private string Normalize(string text) => _parts.Normalizer?.Apply(text) ?? text;

    private void EncodeNormalized(string text, bool startsInput, bool parseSpecial, PieceBuffer buffer, List<int> output)
    {
        var sections = new List<AddedTokenMatcher.Section>();
        _normalizedTokens.Find(text, parseSpecial, sections);
        foreach (AddedTokenMatcher.Section section in sections)
        {
            if (section.Token is not null)
            {
                output.Add(section.Token.Id);
                continue;
            }

            string plain = section.End - section.Start == text.Length ? text : text[section.Start..section.End];
            buffer.Reset(plain, startsInput && section.Start == 0);
            foreach (PreTokenizerStep step in _parts.PreTokenizer)
            {
                step.Apply(buffer);
            }

            for (int i = 0; i < buffer.Count; i++)
            {
                _parts.Model.Encode(buffer.Piece(i), output);
            }
        }
    }
}
