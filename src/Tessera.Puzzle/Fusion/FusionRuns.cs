using Tessera.Models.Configuration;

namespace Tessera.Puzzle.Fusion;

/// <summary>Finds layers whose feed-forwards may be fused, and checks runs that were chosen by hand.</summary>
/// <remarks>
/// Found are the longest runs of neighbouring SwiGLU layers without mixers; layers that are empty may stand between them and go away
/// with the run. The last feed-forward of each is left out. What remains is cut from left to right, as soon as a layer depends too
/// much on one of the run or the fused width would be too large. Source: FFN Fusion (Bercovich et al. 2025), its detection and its
/// finding that the last feed-forward of a run is sensitive.
/// </remarks>
public static class FusionRuns
{
    /// <summary>The runs of at least two feed-forwards, in order.</summary>
    /// <param name="model">The layers.</param>
    /// <param name="settings">How runs are cut.</param>
    /// <param name="dependency">Needed for a threshold; else it may be null.</param>
    /// <exception cref="ArgumentException">A run chosen by hand cannot be fused, or a threshold is given without dependencies.</exception>
    public static IReadOnlyList<FusionRun> Of(ModelConfiguration model, FusionRunSettings settings, DependencyMatrix? dependency)
    {
        if (settings.Runs is { } chosen)
        {
            Check(model, chosen, settings.Blocks is not null);
            return chosen;
        }

        if (settings.Blocks is { } windows)
        {
            return BlockWindows.Of(model, settings, windows, dependency);
        }

        if (settings.Threshold is not null && dependency is null)
        {
            throw new ArgumentException("a threshold of dependency needs data to measure it on");
        }

        return [.. Members(model).SelectMany(members => Cut(model, settings.FusesLast ? members : members[..^1], settings, dependency))];
    }

    /// <summary>Refuses runs that cannot be fused.</summary>
    /// <remarks>The first layer of a run may have a mixer: what its feed-forward sees is what the others shall see.</remarks>
    /// <param name="model">The layers.</param>
    /// <param name="runs">In order.</param>
    /// <param name="wholeBlocks">Whether the attentions of a run become one too.</param>
    /// <exception cref="ArgumentException">One sentence that names run and layer.</exception>
    public static void Check(ModelConfiguration model, IReadOnlyList<FusionRun> runs, bool wholeBlocks = false)
    {
        int free = 0;
        foreach (var run in runs)
        {
            if (run.First < free)
            {
                throw new ArgumentException($"run {run}: runs must be in order and have no layer in common");
            }

            if (run.Last >= model.Layers.Length)
            {
                throw new ArgumentException($"run {run}: the model has layers 0 to {model.Layers.Length - 1}");
            }

            if (wholeBlocks && run.Count > 1 && BlockWindows.Obstacle(model, run) is { } obstacle)
            {
                throw new ArgumentException(obstacle);
            }

            for (int layer = run.First; layer <= run.Last && !wholeBlocks; layer++)
            {
                CheckLayer(model.Layers[layer], run, layer);
            }

            free = run.Last + 1;
        }
    }

    private static void CheckLayer(LayerConfiguration shape, FusionRun run, int layer)
    {
        bool isEnd = layer == run.First || layer == run.Last;
        if (layer != run.First && shape.Mixer is not NoMixerConfiguration)
        {
            throw new ArgumentException($"run {run}: layer {layer} has a mixer ({shape.Mixer}), which only the first layer of a run may have");
        }

        if (shape.FeedForward is not (SwiGluConfiguration or NoFeedForwardConfiguration))
        {
            throw new ArgumentException($"run {run}: layer {layer} has the feed-forward {shape.FeedForward}, only SwiGLU can be fused");
        }

        if (isEnd && shape.FeedForward is NoFeedForwardConfiguration)
        {
            throw new ArgumentException($"run {run}: layer {layer} has no feed-forward, a run must begin and end with one");
        }
    }

    /// <summary>The SwiGLU layers of every longest run without mixers.</summary>
    private static IEnumerable<List<int>> Members(ModelConfiguration model)
    {
        var members = new List<int>();
        for (int layer = 0; layer < model.Layers.Length; layer++)
        {
            var shape = model.Layers[layer];
            bool isFree = shape.Mixer is NoMixerConfiguration;
            if (isFree && shape.FeedForward is SwiGluConfiguration)
            {
                members.Add(layer);
            }
            else if (members.Count > 0 && !(isFree && shape.FeedForward is NoFeedForwardConfiguration))
            {
                yield return members;
                members = [];
            }
        }

        if (members.Count > 0)
        {
            yield return members;
        }
    }

    private static IEnumerable<FusionRun> Cut(
        ModelConfiguration model, List<int> members, FusionRunSettings settings, DependencyMatrix? dependency)
    {
        long Width(int layer) => ((SwiGluConfiguration)model.Layers[layer].FeedForward).Width;
        for (int start = 0, next; start < members.Count; start = next)
        {
            long width = Width(members[start]);
            for (next = start + 1; next < members.Count; next++)
            {
                width += Width(members[next]);
                if (width > (settings.MaxWidth ?? ConfigurationLimits.FeedForwardWidth)
                    || (settings.Threshold is { } limit && dependency!.Largest(members[start..next], members[next]) > limit))
                {
                    break;
                }
            }

            if (next - start > 1)
            {
                yield return new FusionRun(members[start], members[next - 1]);
            }
        }
    }
}
