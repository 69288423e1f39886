using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// KL(parent ‖ child) of the next-token distributions, averaged over tokens, of the parent with one layer replaced (Puzzle section 3.1).
/// </summary>
/// <remarks>
/// The states in front of the replaced layer are read from files; the layers behind it pass by one at a time, and several variants of
/// one layer share the passage.
/// </remarks>
public sealed class ReplaceOneScorer : IDisposable
{
    private readonly Device _device;
    private readonly ParentStates _states;
    private readonly StreamingMemory _memory;
    private readonly CachedParts _parent;
    private readonly Arena _ends;
    private readonly Parameter _norm;
    private readonly Parameter _head;

    /// <summary>Reads the parent's head.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="states">The parent's states on the scoring batches.</param>
    /// <param name="memory">How much may be in memory at a time.</param>
    public ReplaceOneScorer(Device device, ParentStates states, StreamingMemory memory)
    {
        (_device, _states, _memory) = (device, states, memory);
        _parent = new CachedParts(device, states.Parent, memory.CacheBytes);
        _ends = device.CreateArena("head");
        _norm = _parent.FinalNorm(_ends);
        _head = _parent.Head(_ends);
    }

    /// <summary>Scores of the parent with layer <paramref name="layer"/> replaced, one for each variant.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="variants">Each reads its layer into an arena that is valid until the next one is asked for.</param>
    public Estimate[] Score(int layer, IReadOnlyList<Func<Arena, DecoderLayer>> variants)
    {
        var sums = variants.Select(_ => new DivergenceSums()).ToArray();
        int last = _parent.LayerCount;
        float epsilon = (float)_parent.Configuration.RmsNormEpsilon;
        using var weights = _device.CreateArena("layer");
        using var streams = new StreamWindow(_device, _states.Steps, _parent.Configuration, variants.Count, _memory.WindowBytes);
        foreach (var window in streams.Windows())
        {
            for (int v = 0; v < variants.Count; v++)
            {
                for (int batch = window.First; batch < window.End; batch++)
                {
                    window.Set(v, batch, _states.Read(window.Fresh().Arena, layer, batch));
                }

                weights.Reset();
                window.Apply(v, variants[v](weights));
            }

            for (int behind = layer + 1; behind < last; behind++)
            {
                weights.Reset();
                var blocks = _parent.Layer(behind, weights);
                for (int v = 0; v < variants.Count; v++)
                {
                    window.Apply(v, blocks);
                }
            }

            for (int batch = window.First; batch < window.End; batch++)
            {
                for (int v = 0; v < variants.Count; v++)
                {
                    var executor = window.Fresh();
                    var parent = executor.RmsNorm(_states.Read(executor.Arena, last, batch), _norm, epsilon);
                    var child = executor.RmsNorm(window[v, batch], _norm, epsilon);
                    sums[v].Add(executor, _states.Steps, batch, child, _head, parent, _head);
                }
            }
        }

        return [.. sums.Select(sum => sum.Summarise())];
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _parent.Dispose();
        _ends.Dispose();
    }
}
