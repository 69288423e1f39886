using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Evaluation;

/// <summary>
/// How likely a model finds given texts: −Σ log p(token | tokens before it) of every token but the first, which is given.
/// </summary>
/// <remarks>
/// A document longer than the window is read in windows that begin every <c>stride</c> tokens. Every token is scored once, in
/// the first window that predicts it; what overlaps serves as context only. Where stride and window are equal, nothing
/// overlaps and the first tokens of a later window have little context.
/// </remarks>
public sealed unsafe class LikelihoodScorer : IDisposable
{
    private const int StepTokens = 4096;
    private readonly Device _device;
    private readonly Decoder _model;
    private readonly int _window;
    private readonly int _stride;
    private readonly Arena _arena;

    /// <summary>A scorer for one model.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="model">The model.</param>
    /// <param name="window">Tokens that the model reads at once, at most its positions.</param>
    /// <param name="stride">Tokens from the beginning of one window to the next, at most <paramref name="window"/>.</param>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public LikelihoodScorer(Device device, Decoder model, int window, int stride)
    {
        if (window < 1 || window > model.Configuration.MaxPositions)
        {
            throw new ArgumentException($"the window is {window}, expected 1 to the model's {model.Configuration.MaxPositions} positions");
        }

        if (stride < 1 || stride > window)
        {
            throw new ArgumentException($"the stride is {stride}, expected 1 to the window's {window} tokens");
        }

        _device = device;
        _arena = device.CreateArena("likelihood");
        _model = model;
        _window = window;
        _stride = stride;
    }

    /// <summary>Scores documents in order, as many at once as fit a step.</summary>
    /// <param name="documents">Token ids, each at least one and below the vocabulary's size.</param>
    /// <returns>One score a document.</returns>
    public IEnumerable<DocumentLikelihood> Score(IEnumerable<int[]> documents)
    {
        var windows = new List<Window>();
        var open = new List<Total>();
        int tokens = 0;
        foreach (int[] ids in documents)
        {
            Validate(ids);
            var total = new Total { Tokens = ids.Length - 1 };
            open.Add(total);
            foreach (var window in Cut(ids, total))
            {
                if (tokens > 0 && tokens + window.Count > StepTokens)
                {
                    Run(windows);
                    tokens = 0;
                }

                windows.Add(window);
                tokens += window.Count;
            }

            // All documents but the last are complete once nothing of them waits.
            if (windows.Count == 0 || windows[0].Total == total)
            {
                foreach (var done in open.Take(open.Count - 1))
                {
                    yield return done.Result;
                }

                open.RemoveRange(0, open.Count - 1);
            }
        }

        Run(windows);
        foreach (var done in open)
        {
            yield return done.Result;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    private IEnumerable<Window> Cut(int[] ids, Total total)
    {
        int scored = 0;
        for (int start = 0; scored < ids.Length - 1; start += _stride)
        {
            // Input i predicts token i + 1, so the last token is never an input.
            int end = Math.Min(start + _window, ids.Length - 1);
            yield return new Window(ids, start, end - start, scored - start, total);
            scored = end;
        }
    }

    private void Run(List<Window> windows)
    {
        if (windows.Count == 0)
        {
            return;
        }

        _arena.Reset();
        int[] lengths = [.. windows.Select(window => window.Count)];
        int rows = lengths.Sum();
        int[] ids = new int[rows], targets = new int[rows];
        float[] weights = new float[rows], losses = new float[rows];
        int row = 0;
        foreach (var window in windows)
        {
            window.Ids.AsSpan(window.Start, window.Count).CopyTo(ids.AsSpan(row));
            window.Ids.AsSpan(window.Start + 1, window.Count).CopyTo(targets.AsSpan(row));
            var weight = weights.AsSpan(row, window.Count);
            weight.Fill(1);
            weight[..window.Skipped].Clear();
            row += window.Count;
        }

        var hidden = _model.Forward(new Executor(_device, _arena, null), StepBatch.Packed(_arena, ids, lengths));
        float* tokenLoss = _arena.Floats(rows);
        LinearCrossEntropy.CheckTargets(targets, weights, _model.Head.Rows);
        LinearCrossEntropy.Run(
            _device, hidden.Data, _model.Head.View, Uploaded<int>(targets), Uploaded<float>(weights), tokenLoss, default, default, rows,
            hidden.Columns, _model.Head.Rows, 1f);
        _device.Download<float>((nint)tokenLoss, losses);
        row = 0;
        foreach (var window in windows)
        {
            for (int i = 0; i < window.Count; i++, row++)
            {
                window.Total.NegativeLogLikelihood += losses[row];
            }
        }

        windows.Clear();
    }

    private T* Uploaded<T>(T[] values)
        where T : unmanaged
    {
        nint room = _arena.Allocate((long)values.Length * sizeof(T));
        _device.Upload<T>(values, room);
        return (T*)room;
    }

    private void Validate(int[] ids)
    {
        int vocabulary = _model.Configuration.VocabularySize;
        if (ids.Length == 0)
        {
            throw new ArgumentException("a document needs at least one token");
        }

        int bad = Array.FindIndex(ids, id => id < 0 || id >= vocabulary);
        if (bad >= 0)
        {
            throw new ArgumentException($"token {bad} of a document is {ids[bad]}, expected an id below {vocabulary}");
        }
    }

    /// <summary>Inputs <c>Start</c> to <c>Start + Count</c>, of which the first <c>Skipped</c> have been scored before.</summary>
    private readonly record struct Window(int[] Ids, int Start, int Count, int Skipped, Total Total);

    private sealed class Total
    {
        public long Tokens { get; init; }

        public double NegativeLogLikelihood { get; set; }

        public DocumentLikelihood Result => new(Tokens, NegativeLogLikelihood);
    }
}

/// <summary>How likely a model finds one document.</summary>
/// <param name="Tokens">Predicted tokens: all but the first.</param>
/// <param name="NegativeLogLikelihood">Sum over them in nats.</param>
public readonly record struct DocumentLikelihood(long Tokens, double NegativeLogLikelihood);
