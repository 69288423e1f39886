using System.Buffers;
using System.Runtime.ExceptionServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Data;

/// <summary>
/// Strings to ids or back, a JSON value a line: lines are gathered, worked on by several threads, and written in their order. Memory is
/// bounded by the gathered lines and their results.
/// </summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="input">The file of lines.</param>
/// <param name="addSpecial">Whether the template's tokens are added.</param>
/// <param name="decode">Whether lines are ids that become strings.</param>
/// <param name="threads">Threads; 0 for one a processor.</param>
internal sealed class TokenizeBatch(Tokenizer tokenizer, string input, bool addSpecial, bool decode, int threads)
{
    private const int MostLines = 4096;
    private const long MostBytes = 4 << 20;
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Lines done.</summary>
    public long Lines { get; private set; }

    /// <summary>Tokens read or written.</summary>
    public long Tokens { get; private set; }

    /// <summary>Works through the file.</summary>
    /// <exception cref="InvalidDataException">A line is not what it should be; the message names file and line.</exception>
    public void Run(Stream target)
    {
        var lines = new List<byte[]>();
        long bytes = 0;
        foreach (var line in LineReader.Read(input))
        {
            lines.Add(line.ToArray());
            bytes += line.Length;
            if (lines.Count == MostLines || bytes >= MostBytes)
            {
                Write(lines, target);
                bytes = 0;
            }
        }

        Write(lines, target);
    }

    private void Write(List<byte[]> lines, Stream target)
    {
        var results = new (ReadOnlyMemory<byte> Text, int Tokens, Exception? Problem)[lines.Count];
        Parallel.For(0, lines.Count, new ParallelOptions { MaxDegreeOfParallelism = threads == 0 ? Environment.ProcessorCount : threads }, i =>
        {
            try
            {
                (results[i].Text, results[i].Tokens) = Convert(lines[i], $"{input}: line {Lines + i + 1}");
            }
            catch (InvalidDataException problem)
            {
                results[i].Problem = problem;
            }
        });
        foreach (var (text, tokens, problem) in results)
        {
            // The first bad line is the one to be told, whichever thread came first.
            if (problem is not null)
            {
                ExceptionDispatchInfo.Throw(problem);
            }

            target.Write(text.Span);
            Tokens += tokens;
        }

        Lines += lines.Count;
        lines.Clear();
    }

    private (ReadOnlyMemory<byte> Text, int Tokens) Convert(byte[] line, string where)
    {
        var output = new ArrayBufferWriter<byte>(Math.Max(256, line.Length));
        using var json = new Utf8JsonWriter(output, Relaxed);
        using var document = Parse(line, where);
        int[] ids;
        if (decode)
        {
            ids = ReadIds(document.RootElement, where);
            json.WriteStringValue(tokenizer.Decode(ids, skipSpecialTokens: false));
        }
        else
        {
            ids = tokenizer.Encode(ReadString(document.RootElement, where), addSpecial);
            json.WriteStartArray();
            foreach (int id in ids)
            {
                json.WriteNumberValue(id);
            }

            json.WriteEndArray();
        }

        json.Flush();
        output.Write("\n"u8);
        return (output.WrittenMemory, ids.Length);
    }

    private static JsonDocument Parse(byte[] line, string where)
    {
        try
        {
            return JsonDocument.Parse(line);
        }
        catch (JsonException)
        {
            throw new InvalidDataException($"{where} is not JSON");
        }
    }

    private static string ReadString(JsonElement element, string where)
    {
        if (element.ValueKind != JsonValueKind.String)
        {
            throw new InvalidDataException($"{where} is not a JSON string");
        }

        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new InvalidDataException($"{where} is a string that is not valid Unicode");
        }
    }

    private int[] ReadIds(JsonElement element, string where)
    {
        if (element.ValueKind != JsonValueKind.Array)
        {
            throw new InvalidDataException($"{where} is not a JSON list of ids");
        }

        int[] ids = new int[element.GetArrayLength()];
        int count = 0;
        foreach (var item in element.EnumerateArray())
        {
            bool known = item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0 && id < tokenizer.VocabularySize;
            ids[count] = known
                ? item.GetInt32()
                : throw new InvalidDataException($"{where}, element {count} is not an id from 0 to {tokenizer.VocabularySize - 1}");
            count++;
        }

        return ids;
    }
}
