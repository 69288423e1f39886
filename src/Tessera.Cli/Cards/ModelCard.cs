using System.Globalization;
using System.Text;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Hub;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Scoring;
using Tessera.Runs;

namespace Tessera.Cli.Cards;

/// <summary>
/// The page beside a written model: where it comes from, under which limits it was chosen, its blocks, scores, predicted and measured
/// speed. It states what the run recorded and nothing else; the licence is the user's choice.
/// </summary>
/// <param name="model">The written folder or GGUF file.</param>
/// <param name="origin">What is known of how it was made.</param>
/// <param name="source">The model it was written from, as it was named.</param>
internal sealed class ModelCard(string model, RunOrigin origin, string source)
{
    /// <summary>Name of the page in a folder.</summary>
    public const string FileName = "README.md";

    // First line of what this class writes, so that a person's own page is told apart.
    private const string Mark = "<!-- made by tessera -->";

    private readonly ModelConfiguration _shape = ModelFolder.ReadConfiguration(model);

    /// <summary>The licence that the user chose, or null.</summary>
    public string? Licence { get; init; }

    /// <summary>Writes the page into the model's folder, or beside the file under its name, unless a page of somebody else lies there.</summary>
    public void Write()
    {
        string path = GgufModel.IsNamed(model) ? Path.ChangeExtension(model, ".md") : Path.Combine(model, FileName);
        if (!File.Exists(path) || File.ReadAllText(path).Contains(Mark, StringComparison.Ordinal))
        {
            AtomicFile.WriteAllText(path, Text());
        }
    }

    /// <summary>The page in Markdown, with the fields that hubs read in front.</summary>
    public string Text()
    {
        var page = new StringBuilder();
        Fields(page);
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(model)));
        page.Append($"{Mark}\n\n# {name}\n\n");
        page.Append(Invariant($"{Form()}, {_shape.ParameterCount:N0} parameters in {_shape.Layers.Length} layers, {(GgufModel.IsNamed(model) ? string.Empty : $"stored as {_shape.StorageType.Label()}, ")}written by Tessera from `{source}`.\n\n"));
        page.Append(Licence is null
            ? "**Licence:** to be chosen by whoever publishes this model. The licences of its parent and of its data bind that choice.\n"
            : $"**Licence:** {Licence}. The licences of its parent and of its data bind that choice.\n");
        Provenance(page);
        if (origin.Result is { } result)
        {
            Limits(page, result);
            Scores(page, result);
            TrainingSection.AddTo(page, result.Healing);
            Speed(page, result);
        }

        Blocks(page);
        if (origin.Result is null && origin.OldCard is { } old)
        {
            page.Append($"\n## The card of the model it was written from\n\n{Quoted(old)}\n");
        }

        return page.ToString();
    }

    private void Fields(StringBuilder page)
    {
        page.Append("---\n").Append(Licence is null ? "# license: to be chosen\n" : $"license: {Licence}\n");
        if (HubReference.IsNamed(source))
        {
            page.Append($"base_model: {HubReference.Parse(source).Id}\n");
        }

        page.Append("tags:\n- tessera\n").Append(origin.Result is null ? string.Empty : "- compressed\n").Append("---\n");
    }

    private void Provenance(StringBuilder page)
    {
        var rows = new List<(string, string)> { ("written from", $"`{source}`"), ("program", $"Tessera {Version}") };
        if (origin.Manifest is { } manifest)
        {
            rows.AddRange(
            [
                ("parent's hash", manifest.Inputs.GetValueOrDefault("parent", "not recorded")),
                ("data's hash", manifest.Inputs.GetValueOrDefault("data", "not recorded")),
                ("command", $"`{manifest.Command.Replace("`", "'", StringComparison.Ordinal)}`"), ("compressed by", $"Tessera {manifest.ToolVersion}"),
                ("healed", manifest.FinishedUtc?.ToString("u", CultureInfo.InvariantCulture) ?? "not complete"),
            ]);
        }

        rows.AddRange(origin.Notes.Where(note => note.Key.StartsWith("tessera.", StringComparison.Ordinal)).Select(note => (note.Key, note.Value)));
        page.Append("\n## Provenance\n\n| | |\n| --- | --- |\n");
        rows.ForEach(row => page.Append($"| {Cell(row.Item1)} | {Cell(row.Item2)} |\n"));
    }

    private static void Limits(StringBuilder page, CompressionResult result)
    {
        page.Append("\n## Limits\n\n| asked for | reached, measured | met |\n| --- | --- | --- |\n");
        foreach (var target in result.Targets)
        {
            page.Append(Invariant($"| `{Cell(target.Target)}` | {target.Reached:G4} | {(target.IsMet ? "yes" : "no")} |\n"));
        }

        page.Append(Invariant($"\nScenario: {result.Scenario.Label}. The choice of blocks is within {result.Gap:P3} of the best under these limits.\n"));
    }

    private static void Scores(StringBuilder page, CompressionResult result)
    {
        var child = result.Candidates[1];
        page.Append("\n## Scores\n\n| KL(parent ‖ child), nats a token | mean | standard error | documents |\n| --- | --- | --- | --- |\n");
        page.Append(Invariant($"| predicted, sum over layers | {child.PredictedDivergence:G4} | | |\n"));
        Row("as assembled, scoring data", child.ScoringDivergence);
        Row("as assembled, held-out data", child.HeldOutDivergence);
        Row("as written, held-out data", result.HealedDivergence);
        if (child.Problems > 0)
        {
            page.Append(Invariant($"\nUnseen problems solved: parent {result.Candidates[0].Correct}, this model {result.HealedCorrect}, of {child.Problems}.\n"));
        }

        void Row(string name, Estimate estimate) =>
            page.Append(Invariant($"| {name} | {estimate.Mean:G4} | {estimate.StandardError:G2} | {estimate.Documents} |\n"));
    }

    private void Speed(StringBuilder page, CompressionResult result)
    {
        var scenario = result.Scenario;
        page.Append(Invariant($"\n## Speed\n\n{scenario.Label}; generated tokens a second count the time of the prompts.\n\n"));
        page.Append("| model | prompts, ms | step, ms | generated tokens/s | predicted step, ms |\n| --- | --- | --- | --- | --- |\n");
        foreach (var (name, candidate) in ((string, CandidateResult)[])[("parent", result.DeliveredParent), ("this model", result.Delivered)])
        {
            page.Append(Invariant($"| {name} | {candidate.PrefillSeconds * 1e3:G4} | {candidate.DecodeSeconds * 1e3:G4} | {scenario.Throughput(candidate.PrefillSeconds, candidate.DecodeSeconds):N1} | {candidate.PredictedDecodeSeconds * 1e3:G4} |\n"));
        }

        bool isPredicted = origin.Tables?.Loads.Any(load => load.IsPredicted) == true;
        page.Append($"\nPredictions are sums of block costs that were {(isPredicted ? "calculated from a machine's ceilings, not measured" : "measured one by one")}")
            .Append($"{(origin.Tables is { Loads: [{ Machine.Length: > 0 } load, ..] } ? $" ({load.Machine})" : string.Empty)}; the other times are medians of the whole model before it was healed.\n");
    }

    /// <summary>Neighbouring layers that are alike in one row.</summary>
    private void Blocks(StringBuilder page)
    {
        page.Append("\n## Blocks\n\n| layers | attention | feed-forward | parameters of each |\n| --- | --- | --- | --- |\n");
        for (int first = 0; first < _shape.Layers.Length;)
        {
            int last = first;
            while (last + 1 < _shape.Layers.Length && _shape.Layers[last + 1] == _shape.Layers[first])
            {
                last++;
            }

            var layer = _shape.Layers[first];
            page.Append(Invariant($"| {(first == last ? $"{first}" : $"{first}–{last}")} | {layer.Mixer} | {layer.FeedForward} | {_shape.MixerParameterCount(first) + _shape.FeedForwardParameterCount(first):N0} |\n"));
            first = last + 1;
        }

        page.Append("\n`kvN`: attention with N key and value heads; `ffnN`: a gated feed-forward of width N; `linear`: one matrix; `none`: nothing.\n");
    }

    private static string Version { get; } = typeof(ModelCard).Assembly.GetName().Version?.ToString(3) ?? "0";

    private string Form() => GgufModel.IsNamed(model) ? "A GGUF file" : _shape.Architecture.ToString();

    private static string Cell(string text) => text.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);

    private static string Quoted(string text) => string.Join('\n', text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n').Select(line => "> " + line));

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
