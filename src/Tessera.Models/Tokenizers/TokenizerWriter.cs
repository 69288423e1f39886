using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>Writes a byte-level vocabulary as a tokenizer.json that the reference library loads as well.</summary>
internal static class TokenizerWriter
{
    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the file whole or not at all: into a new file beside it, which then takes its place.</summary>
    public static void Write(string path, MergeLearner learned, TokenizerTrainerOptions options)
    {
        string full = Path.GetFullPath(path);
        string temporary = $"{full}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                using (var json = new Utf8JsonWriter(stream, Options))
                {
                    WriteDocument(json, learned, options);
                }

                stream.WriteByte((byte)'\n');
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static void WriteDocument(Utf8JsonWriter json, MergeLearner learned, TokenizerTrainerOptions options)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAddedTokens(json, learned.Tokens.Count, options.SpecialTokens);
        json.WriteNull("normalizer");
        json.WritePropertyName("pre_tokenizer");
        if (options.SplitDigits)
        {
            WriteDigitSplit(json);
        }
        else
        {
            WriteByteLevel(json);
        }

        json.WriteNull("post_processor");
        json.WritePropertyName("decoder");
        WriteByteLevel(json);
        WriteModel(json, learned);
        json.WriteEndObject();
    }

    private static void WriteAddedTokens(Utf8JsonWriter json, int firstId, IReadOnlyList<string> tokens)
    {
        json.WriteStartArray("added_tokens");
        for (int i = 0; i < tokens.Count; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", firstId + i);
            json.WriteString("content", tokens[i]);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteDigitSplit(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", SplitPatterns.SingleDigits);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        WriteByteLevel(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, MergeLearner learned)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < learned.Tokens.Count; id++)
        {
            json.WriteNumber(learned.Tokens[id], id);
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach ((string left, string right) in learned.Merges)
        {
            json.WriteStringValue($"{left} {right}");
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
