using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Tables;

/// <summary>Reads tables of a search from JSON, in the form of docs/search.md. Whatever it does not know it refuses.</summary>
public static class SearchTablesReader
{
    private const int MostLayers = 10_000;
    private const int MostVariants = 10_000;
    private const int MostLoads = 1000;
    private const int MostLimits = 1000;
    private const int MostSequences = 1 << 24;
    private const int MostPositions = 1 << 30;

    // Sums of these stay far from where doubles end.
    private const double MostAmount = 1e18;

    private const string Absent = "none";

    private static readonly string[] Kinds = ["none", "linear", "attention", "swiglu"];

    /// <summary>Whether a file calls itself such tables, in distinction to tables of costs alone: it tells layers.</summary>
    /// <exception cref="InvalidDataException">It is no JSON object.</exception>
    public static bool IsNamed(string path)
    {
        using var document = JsonFile.Load(path);
        return JsonFields.Root(document, path).Has("layers");
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">It is not such a file; the sentence names file and field.</exception>
    public static SearchTables Read(string path)
    {
        using var document = JsonFile.Load(path);
        var root = JsonFields.Root(document, path);
        // The version first: a later one may well have fields that this one does not know.
        root.RequiredInteger("version", SearchTables.Version, SearchTables.Version);
        root.RefuseOthers(
            "version", "model", "score", "score_kind", "shape", "base", "mixers", "feed_forwards", "loads", "layers", "targets", "pin", "exclude", "margin");
        var mixers = Sizes(root, "mixers", isMixer: true);
        var feedForwards = Sizes(root, "feed_forwards", isMixer: false);
        var outside = root.Object("base") ?? throw root.Fault("base", "an object");
        outside.RefuseOthers("parameters", "weight_bytes");
        return new SearchTables
        {
            Model = root.Text("model") ?? string.Empty,
            ScoreName = root.Text("score") ?? string.Empty,
            ScoreKind = root.Text("score_kind") ?? string.Empty,
            Shape = Shape(root),
            Mixers = mixers,
            FeedForwards = feedForwards,
            Base = new HalfSize(HalfKind.None, outside.RequiredAmount("parameters", MostAmount), outside.RequiredAmount("weight_bytes", MostAmount), 0),
            Loads = Loads(root, mixers, feedForwards),
            Layers = Layers(root, mixers, feedForwards),
            Targets = Lines(root, "targets"),
            Pins = Lines(root, "pin"),
            Exclusions = Lines(root, "exclude"),
            Margin = root.Amount("margin", 0, MostAmount),
        };
    }

    private static TableShape? Shape(JsonFields root)
    {
        if (root.Object("shape") is not { } shape)
        {
            return null;
        }

        shape.RefuseOthers("hidden_size", "head_count", "head_dim");
        int Size(string name) => shape.RequiredInteger(name, 1, MostSequences);
        return new TableShape(Size("hidden_size"), Size("head_count"), Size("head_dim"));
    }

    private static Dictionary<string, HalfSize> Sizes(JsonFields root, string name, bool isMixer)
    {
        var sizes = new Dictionary<string, HalfSize>();
        foreach (var (label, fields) in root.Map(name))
        {
            if (label.Length == 0 || label.AsSpan().ContainsAny(" @*:") || label == "parent")
            {
                throw new InvalidDataException($"{root.Fault(name, "labels without blanks, @, * and :, none of them 'parent'").Message}");
            }

            sizes.Add(label, isMixer ? Mixer(fields, label) : FeedForward(fields, label));
        }

        // An absent half costs nothing, whether or not it is listed.
        sizes.TryAdd(Absent, HalfSize.Nothing);
        return sizes;
    }

    private static HalfSize Mixer(JsonFields fields, string label)
    {
        fields.RefuseOthers("kind", "parameters", "weight_bytes", "kv_bytes_per_token", "window", "head_norms", "partial_biases");
        return new HalfSize(Kind(fields, label, HalfKind.Attention), fields.RequiredAmount("parameters", MostAmount), fields.RequiredAmount("weight_bytes", MostAmount), fields.Amount("kv_bytes_per_token", 0, MostAmount))
        {
            HasWindow = fields.Flag("window"),
            HasHeadNorms = fields.Flag("head_norms"),
            HasPartialBiases = fields.Flag("partial_biases"),
        };
    }

    private static HalfSize FeedForward(JsonFields fields, string label)
    {
        fields.RefuseOthers("kind", "parameters", "weight_bytes", "width");
        return new HalfSize(Kind(fields, label, HalfKind.FeedForward), fields.RequiredAmount("parameters", MostAmount), fields.RequiredAmount("weight_bytes", MostAmount), 0)
        {
            Width = fields.Has("width") ? fields.RequiredInteger("width", 1, int.MaxValue) : null,
        };
    }

    private static HalfKind Kind(JsonFields fields, string label, HalfKind usual)
    {
        string text = fields.Text("kind") ?? (label is "none" or "linear" ? label : usual == HalfKind.Attention ? "attention" : "swiglu");
        var kind = text switch
        {
            "none" => HalfKind.None,
            "linear" => HalfKind.Linear,
            "attention" when usual == HalfKind.Attention => HalfKind.Attention,
            "swiglu" when usual == HalfKind.FeedForward => HalfKind.FeedForward,
            _ => throw fields.Fault("kind", $"one of {string.Join(", ", Kinds.Where(name => name != (usual == HalfKind.Attention ? "swiglu" : "attention")))}"),
        };
        return kind;
    }

    private static List<LoadTable> Loads(JsonFields root, Dictionary<string, HalfSize> mixers, Dictionary<string, HalfSize> feedForwards)
    {
        var loads = new List<LoadTable>();
        foreach (var fields in root.Objects("loads", MostLoads))
        {
            fields.RefuseOthers(
                "scenario", "weight", "batch", "queued_prompts", "input_length", "output_length", "label", "machine", "predicted", "base", "mixers", "feed_forwards");
            int outputLength = fields.RequiredInteger("output_length", 1, MostPositions);
            bool? hasPhases = null;
            LoadTime Time(JsonFields time)
            {
                time.RefuseOthers("prefill_seconds", "decode_seconds", "run_seconds");
                bool isWhole = time.Has("run_seconds");
                hasPhases ??= !isWhole;
                if (hasPhases == isWhole || (isWhole && (time.Has("prefill_seconds") || time.Has("decode_seconds"))))
                {
                    throw time.Fault("run_seconds", "either run_seconds everywhere in a load, or prefill_seconds and decode_seconds everywhere");
                }

                return isWhole
                    ? LoadTime.OfRun(time.RequiredAmount("run_seconds", MostAmount))
                    : LoadTime.OfPhases(time.RequiredAmount("prefill_seconds", MostAmount), time.RequiredAmount("decode_seconds", MostAmount), outputLength);
            }

            Dictionary<string, LoadTime> Times(string name, Dictionary<string, HalfSize> sizes)
            {
                var times = fields.Map(name).ToDictionary(pair => pair.Name, pair => Time(pair.Fields));
                times.TryAdd(Absent, default);
                return sizes.Keys.FirstOrDefault(label => !times.ContainsKey(label)) is { } missing
                    ? throw fields.Fault(name, $"a time for {missing}")
                    : times;
            }

            string scenario = fields.Text("scenario") ?? throw fields.Fault("scenario", "a name");
            int batch = fields.RequiredInteger("batch", 1, MostSequences);
            int inputLength = fields.RequiredInteger("input_length", 0, MostPositions);
            var load = new LoadTable
            {
                Scenario = scenario,
                Weight = fields.Positive("weight", 1),
                Batch = batch,
                QueuedPrompts = fields.Integer("queued_prompts", 0, 0, MostSequences),
                InputLength = inputLength,
                OutputLength = outputLength,
                Machine = fields.Text("machine") ?? string.Empty,
                IsPredicted = fields.Flag("predicted"),
                Label = fields.Text("label") ?? $"{scenario}, batch {batch}, {inputLength} in / {outputLength} out",
                Base = Time(fields.Object("base") ?? throw fields.Fault("base", "an object")),
                Mixers = Times("mixers", mixers),
                FeedForwards = Times("feed_forwards", feedForwards),
                HasPhases = hasPhases!.Value,
            };
            loads.Add(loads.Exists(other => other.Scenario == load.Scenario && other.Batch == load.Batch)
                ? throw fields.Fault("batch", "another batch than the scenario's other loads have")
                : load);
        }

        return loads.Count > 0 ? loads : throw root.Fault("loads", "at least one load");
    }

    private static List<LayerTable> Layers(JsonFields root, Dictionary<string, HalfSize> mixers, Dictionary<string, HalfSize> feedForwards)
    {
        static string Label(JsonFields fields, string name, Dictionary<string, HalfSize> sizes) =>
            fields.Text(name) is { } label && sizes.ContainsKey(label) ? label : throw fields.Fault(name, $"one of {string.Join(", ", sizes.Keys)}");
        var layers = new List<LayerTable>();
        foreach (var fields in root.Objects("layers", MostLayers))
        {
            fields.RefuseOthers("mixer", "feed_forward", "variants");
            var variants = new List<ScoredVariant>();
            var seen = new HashSet<(string Mixer, string FeedForward)>();
            foreach (var variant in fields.Objects("variants", MostVariants))
            {
                variant.RefuseOthers("mixer", "feed_forward", "score", "standard_error", "scores", "raced_out", "scenario_scores");
                variants.Add(new ScoredVariant(Label(variant, "mixer", mixers), Label(variant, "feed_forward", feedForwards), variant.RequiredNumber("score", MostAmount))
                {
                    StandardError = variant.Has("standard_error") ? variant.RequiredAmount("standard_error", MostAmount) : null,
                    Scores = variant.Has("scores") ? variant.Map("scores").ToDictionary(pair => pair.Name, pair => Score(pair.Fields)) : [],
                    IsRacedOut = variant.Flag("raced_out"),
                    ScenarioScores = variant.Object("scenario_scores") is { } scores ? scores.Names().ToDictionary(name => name, name => scores.RequiredNumber(name, MostAmount)) : [],
                });
                if (!seen.Add((variants[^1].Mixer, variants[^1].FeedForward)))
                {
                    throw variant.Fault("mixer", "every pair of mixer and feed_forward once in a layer");
                }
            }

            layers.Add(new LayerTable(Label(fields, "mixer", mixers), Label(fields, "feed_forward", feedForwards), variants));
            if (variants.Count == 0)
            {
                throw fields.Fault("variants", "at least one variant");
            }
        }

        return layers.Count > 0 ? layers : throw root.Fault("layers", "at least one layer");
    }

    private static TableScore Score(JsonFields fields)
    {
        fields.RefuseOthers("score", "standard_error");
        return new TableScore(
            fields.RequiredNumber("score", MostAmount), fields.Has("standard_error") ? fields.RequiredAmount("standard_error", MostAmount) : null);
    }

    private static List<string> Lines(JsonFields root, string name)
    {
        var lines = root.Has(name) ? root.Texts(name) : [];
        return lines.Count <= MostLimits ? lines : throw root.Fault(name, $"at most {MostLimits} lines");
    }
}
