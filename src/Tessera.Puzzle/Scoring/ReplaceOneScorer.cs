using Tessera.Devices;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;

namespace Tessera.Puzzle.Scoring;

/// <summary>
/// What a model with one layer replaced loses to the parent (Puzzle section 3.1): the model is the parent itself, or a child around which
/// scores are taken again.
/// </summary>
/// <remarks>
/// The states in front of the replaced layer are read from files; the layers behind it pass by one at a time, and several variants of
/// one layer share the passage. All measures of <see cref="BlockScore"/> come from it.
/// </remarks>
public sealed class ReplaceOneScorer : IDisposable
{
    private readonly Device _device;
    private readonly ParentStates _states;
    private readonly ParentStates _reference;
    private readonly StreamingMemory _memory;
    private readonly CachedParts _model;
    private readonly AnswerLogProbabilities? _answers;
    private readonly Arena _ends;
    private readonly Parameter _norm;
    private readonly Parameter _head;

    /// <summary>Reads the head, which model and parent share.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="states">The states of the model whose layers are replaced, on the scoring batches.</param>
    /// <param name="memory">How much may be in memory at a time.</param>
    /// <param name="reference">The parent's states, of which the last depth is read; null where the model is the parent.</param>
    /// <param name="withAnswers">Whether the tokens with weight are answers, whose probability is scored as well.</param>
    public ReplaceOneScorer(Device device, ParentStates states, StreamingMemory memory, ParentStates? reference = null, bool withAnswers = false)
    {
        (_device, _states, _reference, _memory) = (device, states, reference ?? states, memory);
        _answers = withAnswers ? new AnswerLogProbabilities(states.Steps) : null;
        _model = new CachedParts(device, states.Parent, memory.CacheBytes);
        _ends = device.CreateArena("head");
        _norm = _model.FinalNorm(_ends);
        _head = _model.Head(_ends);
    }

    /// <summary>Batches to read.</summary>
    internal int Batches => _states.Steps.Count;

    /// <summary>Whether answers are scored.</summary>
    internal bool HasAnswers => _answers is not null;

    /// <summary>Scores of the model with layer <paramref name="layer"/> replaced, one for each variant.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="variants">Each reads its layer into an arena that is valid until the next one is asked for.</param>
    public BlockScore[] Score(int layer, IReadOnlyList<Func<Arena, DecoderLayer>> variants)
    {
        var sums = variants.Select(_ => new ScoreSums()).ToArray();
        Add(layer, variants, sums, 0, Batches);
        return [.. sums.Select(sum => sum.Summarise(HasAnswers))];
    }

    /// <summary>Adds some batches to sums; batches of a sum come in order.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="variants">Share the passage of the layers behind.</param>
    /// <param name="sums">One a variant.</param>
    /// <param name="first">First batch.</param>
    /// <param name="end">One behind the last.</param>
    internal void Add(int layer, IReadOnlyList<Func<Arena, DecoderLayer>> variants, IReadOnlyList<ScoreSums> sums, int first, int end)
    {
        using var weights = _device.CreateArena("layer");
        using var streams = new StreamWindow(_device, _states.Steps, _model.Configuration, variants.Count, _memory.WindowBytes);
        foreach (var window in streams.Windows(first, end))
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

            for (int behind = layer + 1; behind < _model.LayerCount; behind++)
            {
                weights.Reset();
                var blocks = _model.Layer(behind, weights);
                for (int v = 0; v < variants.Count; v++)
                {
                    window.Apply(v, blocks);
                }
            }

            Compare(window, sums);
        }
    }

    private void Compare(StreamWindow window, IReadOnlyList<ScoreSums> sums)
    {
        float epsilon = (float)_model.Configuration.RmsNormEpsilon;
        for (int batch = window.First; batch < window.End; batch++)
        {
            for (int v = 0; v < sums.Count; v++)
            {
                var executor = window.Fresh();
                var parent = executor.RmsNorm(_reference.Read(executor.Arena, _reference.Parent.LayerCount, batch), _norm, epsilon);
                var child = executor.RmsNorm(window[v, batch], _norm, epsilon);
                sums[v].Add(
                    executor, _states.Steps, batch, child, _head, parent, _head, _answers?.Of(executor, batch, parent, _head));
            }
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _model.Dispose();
        _ends.Dispose();
    }
}
