using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Inference.Engine;
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
    private readonly Device _device;
    private readonly Decoder _model;
    private readonly EngineSettings _settings;
    private readonly Scheduler _scheduler;
    private readonly KeyValueCache _cache;
    private readonly PackedWeights _packed;
    private readonly Arena _arena;
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
        _device = device;
        _model = model;
        _settings = settings;
        int pages = settings.PagesFor(model.Configuration);
        _slots = settings.MaxRunning;
        Capacity = (int)Math.Min(model.Configuration.MaxPositions, (long)pages * KeyValueCache.PagePositions);
        _scheduler = new Scheduler(
            settings.MaxRunning, settings.StepTokens, settings.ChunkTokens, pages, KeyValueCache.PagePositions);
        _arena = device.CreateArena("generation");
        _cache = KeyValueCache.Shared(
            model.Configuration, settings.MaxRunning, Capacity, pages, settings.CacheType, device.Memory);
        _packed = new PackedWeights(model.Multipliers, device.ReadsPackedWeights ? settings.PackedWeightBytes : 0);
    }

    /// <summary>Most positions of a sequence: the model's, or what all pages hold.</summary>
    public int Capacity { get; }

    /// <summary>Whether a step would do something.</summary>
    public bool HasWork => _sequences.Count > 0 || _cancelled.Count > 0;

    /// <summary>What it is doing.</summary>
    public EngineState State => new(
        _scheduler.Running.Count, _scheduler.Waiting.Count, _scheduler.FreePages, _scheduler.TotalPages, _steps, _promptTokens,
        _generatedTokens, _scheduler.Preemptions);

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

        var logits = Forward(parts);
        Scheduler.Complete(parts);
        _steps++;
        if (logits.Exists)
        {
            _arena.Memory.Read(logits.Address, logits.Bytes, rows => Choose(parts, (float*)rows, logits.Columns, events));
        }

        return events;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _packed.Dispose();
        _cache.Dispose();
        _arena.Dispose();
    }

    /// <summary>Feeds the parts and returns the logits behind those that choose a token, in order.</summary>
    private Tensor Forward(List<StepPart> parts)
    {
        _arena.Reset();
        var spans = new SequenceSpan[parts.Count];
        var ids = new List<int>();
        var choosing = new List<int>();
        for (int i = 0; i < spans.Length; i++)
        {
            var (scheduled, count, newPages) = parts[i];
            var sequence = _sequences[scheduled.Id];
            if (scheduled.Computed == 0)
            {
                _cache.Release(scheduled.Slot);
            }

            foreach (int page in newPages)
            {
                _cache.Assign(scheduled.Slot, page);
            }

            spans[i] = new SequenceSpan(ids.Count, count, scheduled.Computed, scheduled.Slot);
            ids.AddRange(CollectionsMarshal.AsSpan(sequence.Ids).Slice(scheduled.Computed, count));
            _promptTokens += scheduled.Computed + count > sequence.PromptLength && count == 1 ? 0 : count;
            if (parts[i].Chooses)
            {
                choosing.Add(ids.Count - 1);
            }
        }

        var executor = new Executor(_device, _arena, null) { IsInvariant = _settings.Invariant };
        var step = StepBatch.Create(_arena, CollectionsMarshal.AsSpan(ids), spans);
        var hidden = _model.Forward(executor, step, _cache);
        if (choosing.Count == 0)
        {
            return default;
        }

        return executor.Logits(executor.Gather(hidden, CollectionsMarshal.AsSpan(choosing)), _model.Head);
    }

    /// <summary>Chooses a token for every sequence that is computed to its end; their logits follow each other.</summary>
    private void Choose(List<StepPart> parts, float* logits, int vocabulary, List<TokenEvent> events)
    {
        foreach (var part in parts)
        {
            if (part.Sequence.Computed == part.Sequence.Tokens)
            {
                events.Add(Choose(_sequences[part.Sequence.Id], logits, vocabulary));
                logits += vocabulary;
            }
        }
    }

    private TokenEvent Choose(EngineSequence sequence, float* logits, int vocabulary)
    {
        var settings = sequence.Settings;
        int token = sequence.TakeForced()
            ?? Sampler.Choose(new ReadOnlySpan<float>(logits, vocabulary), settings, sequence.Ids.Count);
        var (logProb, top) = Sampler.LogProbs(logits, vocabulary, token, settings.TopLogProbs);
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
