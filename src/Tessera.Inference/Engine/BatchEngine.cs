using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Inference.Engine;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Inference;

/// <summary>
/// Continues many sequences at once: prompts enter in chunks beside sequences that are being continued, and leave when they end.
/// </summary>
/// <remarks>
/// One thread at a time may call it. A draw depends on the settings' seed, the position and the token only; with
/// <see cref="EngineSettings.Invariant"/> the logits, too, have the same bits whatever else is in the batch, else they agree up
/// to rounding.
/// </remarks>
public sealed unsafe class BatchEngine : IDisposable
{
    private readonly Decoder _model;
    private readonly Scheduler _scheduler;
    private readonly KeyValueCache _cache;
    private readonly PackedWeights _packed;
    private readonly Arena _arena;
    private readonly StepRunner _runner;
    private readonly Dictionary<long, EngineSequence> _sequences = [];
    private readonly List<TokenEvent> _cancelled = [];
    private readonly int _slots;
    private long _next;
    private long _steps;
    private long _promptTokens;
    private long _generatedTokens;

    /// <summary>An engine for one model; takes its cache at once.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="model">The model; it must not change while a step runs.</param>
    /// <param name="settings">Sizes.</param>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    public BatchEngine(Device device, Decoder model, EngineSettings settings)
    {
        _model = model;
        int pages = settings.PagesFor(model.Configuration);
        _slots = settings.MaxRunning;
        Capacity = (int)Math.Min(model.Configuration.MaxPositions, (long)pages * KeyValueCache.PagePositions);
        _scheduler = new Scheduler(
            settings.MaxRunning, settings.StepTokens, settings.ChunkTokens, pages, KeyValueCache.PagePositions);
        _cache = KeyValueCache.Shared(
            model.Configuration, settings.MaxRunning, Capacity, pages, settings.CacheType, device.Memory);
        _arena = device.CreateArena("generation");
        _runner = new StepRunner(device, _arena, model, _cache, settings);
        _packed = new PackedWeights(model.Multipliers, device.ReadsPackedWeights ? settings.PackedWeightBytes : 0);
    }

    /// <summary>Most positions of a sequence: the model's, or what all pages hold.</summary>
    public int Capacity { get; }

    /// <summary>Whether a step would do something.</summary>
    public bool HasWork => _sequences.Count > 0 || _cancelled.Count > 0;

    /// <summary>What it is doing.</summary>
    public EngineState State => new(
        _scheduler.Running.Count, _scheduler.Waiting.Count, _scheduler.FreePages, _scheduler.TotalPages, _steps, _promptTokens,
        _generatedTokens, _scheduler.Preemptions)
    {
        LaunchedSteps = _runner.Launches,
    };

    /// <summary>Queues a sequence.</summary>
    /// <param name="prompt">Its tokens so far.</param>
    /// <param name="settings">How to choose and when to stop; at least one new token.</param>
    /// <param name="guide">Watches it, or null.</param>
    /// <returns>Its number in the events.</returns>
    /// <exception cref="ArgumentException">The prompt is empty, holds unknown ids or is too long, or a setting is unusable.</exception>
    public long Submit(int[] prompt, GenerationSettings settings, SequenceGuide? guide = null)
    {
        Validate(prompt);
        settings.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.MaxNewTokens, 1, nameof(settings));
        long id = _next++;
        var sequence = new EngineSequence(new ScheduledSequence(id, prompt.Length), prompt, settings, guide);
        _sequences.Add(id, sequence);
        _scheduler.Add(sequence.Scheduled);
        return id;
    }

    /// <summary>Ends a sequence; its pages are free when this returns, its last event comes with the next step.</summary>
    /// <returns>Whether it was still there.</returns>
    public bool Cancel(long request)
    {
        if (!_sequences.TryGetValue(request, out var sequence))
        {
            return false;
        }

        End(sequence);
        _cancelled.Add(new TokenEvent(request, -1, 0, [], FinishReason.Cancelled));
        return true;
    }

    /// <summary>Runs one step.</summary>
    /// <returns>The tokens it chose, and the ends of sequences that were cancelled since the last step.</returns>
    /// <exception cref="InvalidDataException">The model's output is not a number.</exception>
    public IReadOnlyList<TokenEvent> Step()
    {
        var events = new List<TokenEvent>(_cancelled);
        _cancelled.Clear();
        var parts = _scheduler.Plan();
        if (parts.Count == 0)
        {
            return events;
        }

        Feed(parts);
        _runner.Run();
        Scheduler.Complete(parts);
        _steps++;
        int draw = 0;
        foreach (var part in parts)
        {
            if (part.Sequence.Computed == part.Sequence.Tokens)
            {
                events.Add(Choose(_sequences[part.Sequence.Id], draw++));
            }
        }

        return events;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _packed.Dispose();
        _runner.Dispose();
        _cache.Dispose();
        _arena.Dispose();
    }

    /// <summary>Makes the parts a step, with a draw behind each that is computed to its end.</summary>
    private void Feed(List<StepPart> parts)
    {
        _runner.Begin();
        foreach (var part in parts)
        {
            var (scheduled, count, newPages) = part;
            var sequence = _sequences[scheduled.Id];
            if (scheduled.Computed == 0)
            {
                _cache.Release(scheduled.Slot);
            }

            foreach (int page in newPages)
            {
                _cache.Assign(scheduled.Slot, page);
            }

            _runner.Add(
                scheduled.Slot, scheduled.Computed, CollectionsMarshal.AsSpan(sequence.Ids).Slice(scheduled.Computed, count));
            _promptTokens += scheduled.Computed + count > sequence.PromptLength && count == 1 ? 0 : count;
            if (part.Chooses)
            {
                var settings = sequence.Settings;
                _runner.Draw(new SamplingRow(
                    settings.Seed, settings.Temperature, settings.TopP, settings.TopK, sequence.Ids.Count));
            }
        }
    }

    private TokenEvent Choose(EngineSequence sequence, int draw)
    {
        var settings = sequence.Settings;
        int? forced = sequence.TakeForced();
        int token = forced ?? _runner.Tokens[draw];
        float logProb = _runner.LogProbs[draw];
        TokenLogProb[] top = [];
        if (forced is not null || settings.TopLogProbs > 0)
        {
            // Another token than the one that was drawn, or others beside it: the host looks at the logits.
            _runner.ReadLogits(
                draw, row => (logProb, top) = Sampler.LogProbs((float*)row, _model.Head.Rows, token, settings.TopLogProbs));
        }

        if (float.IsNaN(logProb))
        {
            throw new InvalidDataException(
                $"the model gives no number as the probability of token {sequence.Ids.Count + 1} of a sequence: its weights are damaged or have diverged");
        }

        _generatedTokens++;
        var finish = settings.StopIds.Contains(token) ? FinishReason.Stop : sequence.Append(token, Capacity);
        if (finish is not null)
        {
            End(sequence);
        }

        return new TokenEvent(sequence.Scheduled.Id, token, logProb, top, finish);
    }

    private void End(EngineSequence sequence)
    {
        _scheduler.Remove(sequence.Scheduled);
        _sequences.Remove(sequence.Scheduled.Id);
    }

    private void Validate(int[] prompt)
    {
        int vocabulary = _model.Configuration.VocabularySize;
        if (prompt.Length == 0)
        {
            throw new ArgumentException("a prompt needs at least one token");
        }

        if (prompt.Length > _model.Configuration.MaxPositions)
        {
            throw new ArgumentException(
                $"the prompt has {prompt.Length} tokens, the model takes at most {_model.Configuration.MaxPositions}");
        }

        if (prompt.Length > Capacity)
        {
            throw new ArgumentException(
                $"the prompt has {prompt.Length} tokens, the {_scheduler.TotalPages} pages of the cache hold {Capacity}");
        }

        int bad = Array.FindIndex(prompt, id => id < 0 || id >= vocabulary);
        if (bad >= 0)
        {
            throw new ArgumentException($"prompt token {bad} is {prompt[bad]}, expected an id below {vocabulary}");
        }
    }
}
