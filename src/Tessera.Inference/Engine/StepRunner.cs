using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Inference.Engine;

/// <summary>
/// Runs steps of a batch over a cache, from tokens to the tokens that are drawn behind them. Logits stay on the device unless somebody
/// asks for a row.
/// </summary>
/// <remarks>
/// A step that feeds one token of each of its sequences and draws behind all of them comes again and again. On a device that
/// records, such steps are padded to a <see cref="StepExtent"/>, recorded once for each, and launched as a whole;
/// ids, positions, segments, pages and settings of the draws are uploaded before, to addresses that follow from the extent. With
/// <c>eager</c> the same steps, padded the same, ask for kernel after kernel: the bits are the same. Other steps are never recorded.
/// </remarks>
public sealed unsafe class StepRunner : IDisposable
{
    /// <summary>Extents whose recordings are kept: those of a dozen batch sizes at a few lengths.</summary>
    private const int MostRecordings = 48;

    private readonly Device _device;
    private readonly Decoder _model;
    private readonly KeyValueCache _cache;
    private readonly Arena _arena;
    private readonly Executor _executor;
    private readonly WorkRecorder<StepExtent, Tensor> _recorder;
    private readonly ParameterWatch _watch;
    private readonly List<int> _ids = [];
    private readonly List<SequenceSpan> _spans = [];
    private readonly List<int> _places = [];
    private readonly List<SamplingRow> _draws = [];
    private Tensor _logits;
    private int[] _results = [];
    private int _logProbs;

    /// <summary>A runner of one model over one cache.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="arena">Room for one step, in the device's memory; nobody else's while the runner is used.</param>
    /// <param name="model">The model; it must not change while a step runs.</param>
    /// <param name="cache">Keys and values of its sequences.</param>
    /// <param name="settings">Whether sums depend on the batch, and whether nothing is recorded; its sizes are not read.</param>
    public StepRunner(Device device, Arena arena, Decoder model, KeyValueCache cache, EngineSettings settings)
    {
        _device = device;
        _arena = arena;
        _model = model;
        _cache = cache;
        _executor = new Executor(device, arena, null) { IsInvariant = settings.Invariant };
        _recorder = new WorkRecorder<StepExtent, Tensor>(device, MostRecordings, !settings.Eager);
        _watch = new ParameterWatch(model.Parameters);
    }

    /// <summary>Whether log-probabilities are wanted beside tokens.</summary>
    public bool TellsLogProbs { get; init; } = true;

    /// <summary>Times that a step was recorded.</summary>
    public long Recordings => _recorder.Recordings;

    /// <summary>Times that a recorded step was launched.</summary>
    public long Launches => _recorder.Launches;

    /// <summary>The tokens that the last step drew, in the order of <see cref="Draw"/>.</summary>
    public ReadOnlySpan<int> Tokens => _results.AsSpan(0, _draws.Count);

    /// <summary>Natural logs of their probabilities at temperature 1 and without truncation; none where they are not wanted.</summary>
    public ReadOnlySpan<float> LogProbs =>
        TellsLogProbs ? MemoryMarshal.Cast<int, float>(_results.AsSpan(_logProbs, _draws.Count)) : [];

    /// <summary>Begins a step; what is known of the last one is gone.</summary>
    public void Begin()
    {
        _ids.Clear();
        _spans.Clear();
        _places.Clear();
        _draws.Clear();
    }

    /// <summary>Adds a sequence's next tokens to the step.</summary>
    /// <param name="slot">Which of the cache's sequences it is.</param>
    /// <param name="past">Positions that the cache has of it.</param>
    /// <param name="tokens">At least one.</param>
    public void Add(int slot, int past, ReadOnlySpan<int> tokens)
    {
        _spans.Add(new SequenceSpan(_ids.Count, tokens.Length, past, slot));
        _ids.AddRange(tokens);
    }

    /// <summary>Has a token drawn behind the last one that was added.</summary>
    public void Draw(in SamplingRow settings)
    {
        _places.Add(_ids.Count - 1);
        _draws.Add(settings);
    }

    /// <summary>Runs the step and waits for the tokens that it draws; without a draw it does not wait.</summary>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">The step does not continue where the cache's sequences stand.</exception>
    public void Run()
    {
        _arena.Reset();
        bool drawsAll = _draws.Count == _ids.Count;
        bool repeats = _device.RecordsWork && drawsAll && _spans.Count == _ids.Count;
        var extent = repeats ? StepExtent.Covering(_ids.Count, LongestSequence()) : default;
        var step = StepBatch.Create(_arena, CollectionsMarshal.AsSpan(_ids), CollectionsMarshal.AsSpan(_spans), extent);
        _model.Prepare(_arena, step, _cache);
        if (_draws.Count == 0)
        {
            _model.Compute(_executor, step, _cache);
        }
        else
        {
            var request = Upload(drawsAll ? step.Tokens : _draws.Count, drawsAll);
            if (repeats)
            {
                if (_watch.HasMoved((nint)_model.Rope.Cosines))
                {
                    _recorder.Clear();
                }

                _logits = _recorder.Run(extent, () => Compute(step, request));
            }
            else
            {
                _logits = Compute(step, request);
            }

            Download(request);
        }

        _cache.Advance(step);
    }

    /// <summary>Shows the host the logits of a draw of the last step, [vocabulary] floats.</summary>
    /// <param name="draw">Its number in the step.</param>
    /// <param name="use">Reads them at the address that it is given.</param>
    public void ReadLogits(int draw, Action<nint> use)
    {
        long bytes = (long)_logits.Columns * sizeof(float);
        _arena.Memory.Read(_logits.Address + (nint)(draw * bytes), bytes, use);
    }

    /// <inheritdoc />
    public void Dispose() => _recorder.Dispose();

    private int LongestSequence()
    {
        int longest = 0;
        foreach (ref readonly var span in CollectionsMarshal.AsSpan(_spans))
        {
            longest = Math.Max(longest, span.Past + span.Count);
        }

        return longest;
    }

    /// <summary>Brings what the draws need to the device, and takes room for what they give.</summary>
    /// <param name="rows">Draws, padding included: there the likeliest token is taken, and nobody asks for it.</param>
    /// <param name="drawsAll">Whether every row of the step has one.</param>
    private DrawRequest Upload(int rows, bool drawsAll)
    {
        var request = new DrawRequest
        {
            Rows = rows,
            Places = drawsAll ? null : (int*)_arena.Allocate((long)rows * sizeof(int)),
            Settings = (SamplingRow*)_arena.Allocate((long)rows * sizeof(SamplingRow)),
            Tokens = (int*)_arena.Allocate((long)rows * (sizeof(int) + sizeof(float))),
            TellsLogProbs = TellsLogProbs,
        };
        if (!drawsAll)
        {
            _device.Upload<int>(CollectionsMarshal.AsSpan(_places), (nint)request.Places);
        }

        // The list is longer than the draws for a moment: rows of padding have settings, too.
        int draws = _draws.Count;
        CollectionsMarshal.SetCount(_draws, rows);
        var settings = CollectionsMarshal.AsSpan(_draws);
        settings[draws..].Clear();
        _device.Upload<SamplingRow>(settings, (nint)request.Settings);
        CollectionsMarshal.SetCount(_draws, draws);
        return request;
    }

    /// <summary>
    /// The device's part of a step: what is recorded. A launch allocates nothing, so it leaves the arena as it found it; what it gives
    /// back is not used before the next step.
    /// </summary>
    private Tensor Compute(StepBatch step, DrawRequest request)
    {
        var mark = _arena.Mark();
        var hidden = _model.Compute(_executor, step, _cache);
        var chosen = request.Places is null ? hidden : _executor.Gather(hidden, request.Places, request.Rows);
        var logits = _executor.Logits(chosen, _model.Head);
        TokenSampling.Draw(
            _device, logits.Data, logits.Columns, logits.Rows, logits.Columns, request.Settings, request.Tokens, request.LogProbs);
        _arena.Release(mark);
        return logits;
    }

    private void Download(DrawRequest request)
    {
        int count = request.TellsLogProbs ? 2 * request.Rows : request.Rows;
        if (_results.Length < count)
        {
            _results = new int[count];
        }

        _device.Download((nint)request.Tokens, _results.AsSpan(0, count));
        _logProbs = request.Rows;
    }

    /// <summary>Where a step's draws find what they need and leave what they give.</summary>
    private readonly struct DrawRequest
    {
        public required int Rows { get; init; }

        /// <summary>Rows of the step that are drawn behind; null for all.</summary>
        public required int* Places { get; init; }

        public required SamplingRow* Settings { get; init; }

        /// <summary>[Rows] tokens, and behind them [Rows] log-probabilities.</summary>
        public required int* Tokens { get; init; }

        public required bool TellsLogProbs { get; init; }

        public float* LogProbs => TellsLogProbs ? (float*)(Tokens + Rows) : null;
    }
}
