using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Runs;

namespace Tessera.Puzzle.Tables;

/// <summary>Writes tables of a search as JSON, in the form of docs/search.md.</summary>
public static class SearchTablesWriter
{
    /// <summary>Writes a file, atomically.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tables">The tables.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string path, SearchTables tables)
    {
        using var buffer = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            json.WriteNumber("version", SearchTables.Version);
            WriteText(json, "model", tables.Model);
            WriteText(json, "score", tables.ScoreName);
            WriteText(json, "score_kind", tables.ScoreKind);
            if (tables.Shape is { } known)
            {
                json.WriteStartObject("shape");
                json.WriteNumber("hidden_size", known.HiddenSize);
                json.WriteNumber("head_count", known.HeadCount);
                json.WriteNumber("head_dim", known.HeadDim);
                json.WriteEndObject();
            }

            WriteLines(json, "targets", tables.Targets);
            WriteLines(json, "pin", tables.Pins);
            WriteLines(json, "exclude", tables.Exclusions);
            json.WriteNumber("margin", tables.Margin);
            json.WriteStartObject("base");
            json.WriteNumber("parameters", tables.Base.Parameters);
            json.WriteNumber("weight_bytes", tables.Base.WeightBytes);
            json.WriteEndObject();
            WriteSizes(json, "mixers", tables.Mixers);
            WriteSizes(json, "feed_forwards", tables.FeedForwards);
            WriteArray(json, "loads", tables.Loads, WriteLoad);
            WriteArray(json, "layers", tables.Layers, WriteLayer);
            json.WriteEndObject();
        }

        buffer.WriteByte((byte)'\n');
        AtomicFile.WriteAllBytes(path, buffer.GetBuffer().AsMemory(0, (int)buffer.Length));
    }

    private static void WriteSizes(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, HalfSize> sizes)
    {
        json.WriteStartObject(name);
        foreach (var (label, size) in sizes)
        {
            json.WriteStartObject(label);
            json.WriteString("kind", size.Kind switch
            {
                HalfKind.None => "none",
                HalfKind.Linear => "linear",
                HalfKind.Attention => "attention",
                _ => "swiglu",
            });
            json.WriteNumber("parameters", size.Parameters);
            json.WriteNumber("weight_bytes", size.WeightBytes);
            if (size.KvBytesPerToken > 0)
            {
                json.WriteNumber("kv_bytes_per_token", size.KvBytesPerToken);
            }

            if (size.Width is { } width)
            {
                json.WriteNumber("width", width);
            }

            WriteFlag(json, "window", size.HasWindow);
            WriteFlag(json, "head_norms", size.HasHeadNorms);
            WriteFlag(json, "partial_biases", size.HasPartialBiases);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteLoad(Utf8JsonWriter json, LoadTable load)
    {
        json.WriteString("scenario", load.Scenario);
        json.WriteNumber("weight", load.Weight);
        json.WriteNumber("batch", load.Batch);
        json.WriteNumber("queued_prompts", load.QueuedPrompts);
        json.WriteNumber("input_length", load.InputLength);
        json.WriteNumber("output_length", load.OutputLength);
        json.WriteString("label", load.Label);
        WriteText(json, "machine", load.Machine);
        WriteFlag(json, "predicted", load.IsPredicted);
        json.WriteStartObject("base");
        WriteTime(json, load.Base, load.HasPhases);
        json.WriteEndObject();
        foreach (var (name, times) in ((string, IReadOnlyDictionary<string, LoadTime>)[])[("mixers", load.Mixers), ("feed_forwards", load.FeedForwards)])
        {
            json.WriteStartObject(name);
            foreach (var (label, time) in times)
            {
                json.WriteStartObject(label);
                WriteTime(json, time, load.HasPhases);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }
    }

    private static void WriteTime(Utf8JsonWriter json, LoadTime time, bool hasPhases)
    {
        if (!hasPhases)
        {
            json.WriteNumber("run_seconds", time.RunSeconds);
            return;
        }

        json.WriteNumber("prefill_seconds", time.PrefillSeconds);
        json.WriteNumber("decode_seconds", time.DecodeSeconds);
    }

    private static void WriteLayer(Utf8JsonWriter json, LayerTable layer)
    {
        json.WriteString("mixer", layer.Mixer);
        json.WriteString("feed_forward", layer.FeedForward);
        WriteArray(json, "variants", layer.Variants, static (json, variant) =>
        {
            json.WriteString("mixer", variant.Mixer);
            json.WriteString("feed_forward", variant.FeedForward);
            json.WriteNumber("score", variant.Score);
            if (variant.StandardError is { } error)
            {
                json.WriteNumber("standard_error", error);
            }

            if (variant.Scores.Count > 0)
            {
                json.WriteStartObject("scores");
                foreach (var (kind, score) in variant.Scores)
                {
                    json.WriteStartObject(kind);
                    json.WriteNumber("score", score.Score);
                    if (score.StandardError is { } spread)
                    {
                        json.WriteNumber("standard_error", spread);
                    }

                    json.WriteEndObject();
                }

                json.WriteEndObject();
            }

            WriteFlag(json, "raced_out", variant.IsRacedOut);
            if (variant.ScenarioScores.Count > 0)
            {
                json.WriteStartObject("scenario_scores");
                foreach (var (scenario, score) in variant.ScenarioScores)
                {
                    json.WriteNumber(scenario, score);
                }

                json.WriteEndObject();
            }
        });
    }

    private static void WriteArray<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        json.WriteStartArray(name);
        foreach (var item in items)
        {
            json.WriteStartObject();
            write(json, item);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteLines(Utf8JsonWriter json, string name, IReadOnlyList<string> lines)
    {
        json.WriteStartArray(name);
        foreach (string line in lines)
        {
            json.WriteStringValue(line);
        }

        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string text)
    {
        if (text.Length > 0)
        {
            json.WriteString(name, text);
        }
    }

    private static void WriteFlag(Utf8JsonWriter json, string name, bool isSet)
    {
        if (isSet)
        {
            json.WriteBoolean(name, true);
        }
    }
}
