using System.Globalization;
using Tessera.Cli.Recipes;
using Tessera.Runs;
using Tessera.Training.Data.Blends;

namespace Tessera.Cli.Data.Blends;

/// <summary>Reads a blend file strictly: what it does not know, it refuses. Its form is in docs/data.md.</summary>
internal static class BlendFile
{
    private const int MostSources = 1000;
    private const int MostPhases = 1000;
    private const double MostWeight = 1e15;

    /// <summary>Reads a file. Relative paths in it are below its own folder.</summary>
    /// <exception cref="InvalidDataException">One sentence with file and line.</exception>
    public static BlendPlan Read(string path)
    {
        var root = YamlTree.Read(path, "blend").AsMap("a blend", "sources", "phases");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var map = root.Require("a blend", "sources").AsMap("sources");
        if (map.Entries.Count is 0 or > MostSources)
        {
            throw map.Place.Wrong($"sources: expected 1 to {MostSources} of them, found {map.Entries.Count}");
        }

        var sources = map.Entries.Select(entry => Source(entry.Key, entry.Value, folder)).ToList();
        double[] weights = [.. map.Entries.Select(entry => Weight(((YamlMap)entry.Value).Find("weight"), $"{entry.Key.Text}, weight", 1))];
        return new BlendPlan(sources, Phases(root, map, weights));
    }

    private static BlendSourcePlan Source(YamlScalar name, YamlNode node, string folder)
    {
        string what = $"source '{name.Text}'";
        var map = node.AsMap(what, "shards", "text", "tasks", "levels", "weight");
        string? Scalar(string key) => map.Find(key)?.AsScalar($"{what}, {key}").Text;
        string At(string path) => Path.GetFullPath(Path.Combine(folder, path));
        string? shards = Scalar("shards"), tasks = Scalar("tasks"), levels = Scalar("levels");
        string[] text = map.Find("text") switch
        {
            null => [],
            YamlList list => [.. list.Items.Select(item => At(item.AsScalar($"{what}, text").Text))],
            var node1 => [At(node1.AsScalar($"{what}, text").Text)],
        };
        int kinds = (shards is null ? 0 : 1) + (text.Length > 0 ? 1 : 0) + (tasks is null ? 0 : 1);
        if (kinds != 1 || (levels is not null && tasks is null))
        {
            throw map.Place.Wrong(kinds == 1 ? $"{what}: levels go with tasks" : $"{what}: expected exactly one of shards, text and tasks");
        }

        return new BlendSourcePlan { Name = name.Text, Shards = shards is null ? null : At(shards), Text = text, Tasks = tasks, Levels = levels };
    }

    private static List<BlendPhase> Phases(YamlMap root, YamlMap sources, double[] weights)
    {
        if (root.Find("phases") is not { } node)
        {
            return weights.Any(weight => weight > 0)
                ? [new BlendPhase(null, weights)]
                : throw sources.Place.Wrong("sources: every weight is 0");
        }

        var list = node.AsList("phases");
        if (list.Items.Count is 0 or > MostPhases)
        {
            throw list.Place.Wrong($"phases: expected 1 to {MostPhases} of them, found {list.Items.Count}");
        }

        var phases = new List<BlendPhase>();
        long before = 0;
        foreach (var item in list.Items)
        {
            string what = $"phase {phases.Count + 1}";
            var map = item.AsMap(what, "until", "weights");
            bool last = phases.Count == list.Items.Count - 1;
            long? until = map.Find("until") is { } end ? Count(end.AsScalar($"{what}, until"), what) : null;
            if (last ? until is not null : until is not { } tokens || tokens <= before)
            {
                throw map.Place.Wrong(last
                    ? $"{what}: the last phase has no end; leave until away"
                    : $"{what}: until is {until?.ToString(CultureInfo.InvariantCulture) ?? "missing"}, expected tokens beyond {before}");
            }

            before = until ?? before;
            phases.Add(new BlendPhase(until, PhaseWeights(map, what, sources, weights)));
        }

        return phases;
    }

    /// <summary>The weights a phase names; those it does not name stay as their sources have them.</summary>
    private static double[] PhaseWeights(YamlMap phase, string what, YamlMap sources, double[] weights)
    {
        double[] own = [.. weights];
        foreach (var (key, value) in phase.Find("weights")?.AsMap($"{what}, weights").Entries ?? [])
        {
            int source = sources.Entries.ToList().FindIndex(entry => entry.Key.Text == key.Text);
            own[source >= 0 ? source : throw key.Place.Wrong($"{what}, weights: the blend has no source '{key.Text}'")] =
                Weight(value, $"{what}, weights, {key.Text}", 0);
        }

        return own.Any(weight => weight > 0) ? own : throw phase.Place.Wrong($"{what}: every weight is 0");
    }

    private static double Weight(YamlNode? node, string what, double otherwise)
    {
        if (node is null)
        {
            return otherwise;
        }

        var scalar = node.AsScalar(what);
        return double.TryParse(scalar.Text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double weight)
            && weight is >= 0 and <= MostWeight
            ? weight
            : throw scalar.Place.Wrong($"{what}: '{scalar.Text}' is not a weight, a number from 0");
    }

    private static long Count(YamlScalar scalar, string what)
    {
        try
        {
            return HumanUnits.ParseCount(scalar.Text, "until");
        }
        catch (InvalidDataException problem)
        {
            throw scalar.Place.Wrong($"{what}, {problem.Message}", problem);
        }
    }
}
