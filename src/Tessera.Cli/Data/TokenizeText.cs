using System.Text;
using System.Text.Json;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Data;

/// <summary>The ids of a text file of any size as one JSON list, in bounded memory.</summary>
internal static class TokenizeText
{
    private const int BufferCharacters = 1 << 16;

    /// <summary>Writes the list and a line break.</summary>
    /// <returns>The number of tokens.</returns>
    /// <exception cref="InvalidDataException">There is no such file, or it is not UTF-8.</exception>
    public static long Run(Tokenizer tokenizer, string path, bool addSpecial, Stream target)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: no such file");
        }

        var encoder = new StreamingEncoder(tokenizer, addSpecial);
        if (!encoder.IsBounded)
        {
            Console.Error.WriteLine($"{path}: this tokenizer allows no cuts, so the text is held whole");
        }

        using var reader = new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false, BufferCharacters);
        using var json = new Utf8JsonWriter(target);
        char[] buffer = new char[BufferCharacters];
        var ids = new List<int>();
        long tokens = 0;
        bool first = true;
        json.WriteStartArray();
        for (int count = Read(reader, buffer, path); count > 0; count = Read(reader, buffer, path))
        {
            // A byte order mark is no text.
            encoder.Append(buffer.AsSpan(0, count)[(first && buffer[0] == '\uFEFF' ? 1 : 0)..], ids);
            first = false;
            tokens += Flush(json, ids);
        }

        encoder.Finish(ids);
        tokens += Flush(json, ids);
        json.WriteEndArray();
        json.Flush();
        target.WriteByte((byte)'\n');
        return tokens;
    }

    private static int Read(StreamReader reader, char[] buffer, string path)
    {
        try
        {
            return reader.Read(buffer, 0, buffer.Length);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"{path}: some bytes are not UTF-8");
        }
    }

    private static int Flush(Utf8JsonWriter json, List<int> ids)
    {
        foreach (int id in ids)
        {
            json.WriteNumberValue(id);
        }

        json.Flush();
        int count = ids.Count;
        ids.Clear();
        return count;
    }
}
