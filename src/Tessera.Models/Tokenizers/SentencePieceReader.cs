namespace Tessera.Models.Tokenizers;

/// <summary>
/// Reads a SentencePiece model, the protobuf message <c>ModelProto</c> of sentencepiece_model.proto: pieces (1), trainer_spec
/// (2), normalizer_spec (3), denormalizer_spec (5). Of the model types only BPE is supported.
/// </summary>
internal static class SentencePieceReader
{
    private const int BytePairs = 2;
    private static readonly string[] ModelTypes = ["", "unigram", "BPE", "word", "char"];

    /// <summary>The parts of a tokenizer in a file's bytes.</summary>
    public static TokenizerParts Read(string file, ReadOnlyMemory<byte> bytes)
    {
        var (pieces, options) = ReadVocabulary(file, bytes);
        return SentencePieceBuilder.Build(file, pieces, options);
    }

    /// <summary>The pieces and settings of a file's bytes.</summary>
    public static (List<SentencePiece> Pieces, SentencePieceOptions Options) ReadVocabulary(string file, ReadOnlyMemory<byte> bytes)
    {
        var pieces = new List<SentencePiece>();
        var trainer = new TrainerSpec();
        var normalizer = new NormalizerSpec();
        var reader = new ProtobufReader(file, "the document", bytes.Span);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    if (pieces.Count == BpeReader.IdLimit)
                    {
                        throw new InvalidDataException($"{file}: pieces has more than {BpeReader.IdLimit} entries.");
                    }

                    pieces.Add(Piece(file, pieces.Count, reader.Bytes("pieces")));
                    break;
                case 2:
                    trainer = Trainer(file, reader.Bytes("trainer_spec"));
                    break;
                case 3:
                    normalizer = Normalizer(file, "normalizer_spec", reader.Bytes("normalizer_spec"));
                    break;
                case 5:
                    if (Normalizer(file, "denormalizer_spec", reader.Bytes("denormalizer_spec")).Map.Length > 0)
                    {
                        throw new InvalidDataException($"{file}: denormalizer_spec has a character map, which is not supported.");
                    }

                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        Check(file, pieces.Count, trainer);
        return (pieces, new SentencePieceOptions
        {
            AddDummyPrefix = normalizer.AddDummyPrefix,
            RemoveExtraWhitespaces = normalizer.RemoveExtraWhitespaces,
            EscapeWhitespaces = normalizer.EscapeWhitespaces,
            ByteFallback = trainer.ByteFallback,
            CharacterMap = normalizer.Map,
            UnknownSurface = trainer.UnknownSurface,
            Prefix = trainer.BeginId >= 0 ? [trainer.BeginId] : [],
        });
    }

    private static void Check(string file, int count, TrainerSpec trainer)
    {
        if (count == 0)
        {
            throw new InvalidDataException($"{file}: pieces is empty: this is no SentencePiece model.");
        }

        if (trainer.ModelType != BytePairs)
        {
            string name = trainer.ModelType is > 0 and <= 4 ? ModelTypes[trainer.ModelType] : "unknown";
            throw new InvalidDataException(
                $"{file}: trainer_spec.model_type is {trainer.ModelType} ({name}), which is not supported; only {BytePairs} (BPE) is.");
        }

        if (trainer.SpaceAsSuffix)
        {
            throw new InvalidDataException($"{file}: trainer_spec.treat_whitespace_as_suffix is true, which is not supported.");
        }

        if (trainer.BeginId >= count)
        {
            throw new InvalidDataException($"{file}: trainer_spec.bos_id is {trainer.BeginId}, but there are {count} pieces.");
        }
    }

    private static SentencePiece Piece(string file, int index, ReadOnlySpan<byte> bytes)
    {
        var reader = new ProtobufReader(file, $"pieces[{index}]", bytes);
        string text = "";
        float score = 0;
        int type = (int)SentencePieceType.Normal;
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1:
                    text = reader.Text("piece");
                    break;
                case 2:
                    score = reader.Single("score");
                    break;
                case 3:
                    type = reader.Number("type");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return new SentencePiece(text, score, (SentencePieceType)type);
    }

    private static TrainerSpec Trainer(string file, ReadOnlySpan<byte> bytes)
    {
        var spec = new TrainerSpec();
        var reader = new ProtobufReader(file, "trainer_spec", bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3:
                    spec = spec with { ModelType = reader.Number("model_type") };
                    break;
                case 24:
                    spec = spec with { SpaceAsSuffix = reader.Flag("treat_whitespace_as_suffix") };
                    break;
                case 35:
                    spec = spec with { ByteFallback = reader.Flag("byte_fallback") };
                    break;
                case 41:
                    spec = spec with { BeginId = reader.Number("bos_id") };
                    break;
                case 44:
                    spec = spec with { UnknownSurface = reader.Text("unk_surface") };
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return spec;
    }

    private static NormalizerSpec Normalizer(string file, string name, ReadOnlySpan<byte> bytes)
    {
        var spec = new NormalizerSpec();
        var reader = new ProtobufReader(file, name, bytes);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 2:
                    spec = spec with { Map = reader.Bytes("precompiled_charsmap").ToArray() };
                    break;
                case 3:
                    spec = spec with { AddDummyPrefix = reader.Flag("add_dummy_prefix") };
                    break;
                case 4:
                    spec = spec with { RemoveExtraWhitespaces = reader.Flag("remove_extra_whitespaces") };
                    break;
                case 5:
                    spec = spec with { EscapeWhitespaces = reader.Flag("escape_whitespaces") };
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        return spec;
    }

    // Defaults are those of the message's definition.
    private sealed record TrainerSpec(
        int ModelType = 1, bool SpaceAsSuffix = false, bool ByteFallback = false, int BeginId = 1, string UnknownSurface = " \u2047 ");

    private sealed record NormalizerSpec(bool AddDummyPrefix = true, bool RemoveExtraWhitespaces = true, bool EscapeWhitespaces = true)
    {
        public byte[] Map { get; init; } = [];
    }
}
