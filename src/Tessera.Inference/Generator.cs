using System.Runtime.InteropServices;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Inference;

/// <summary>Continues prompts, several at a time: one packed step for the prompts, then one step a token.</summary>
/// <param name="device">Where to compute.</param>
/// <param name="model">The model.</param>
/// <param name="cacheType">Storage of keys and values.</param>
public sealed unsafe class Generator(Device device, Decoder model, DType cacheType) : IDisposable
{
    private readonly Arena _arena = new("generation");

    /// <summary>Continues every prompt until it stops.</summary>
    /// <param name="prompts">Token ids; none may be empty.</param>
    /// <param name="settings">How to choose and when to stop.</param>
    /// <param name="onToken">Called with the prompt's index and each new token, if not null.</param>
    /// <param name="isFinished">
    /// Asked behind every new token, with the prompt's index, whether its continuation has to end there; null for never.
    /// </param>
    /// <exception cref="ArgumentException">A prompt is empty, holds unknown ids or does not fit the model's positions, or a setting is unusable.</exception>
    public IReadOnlyList<GeneratedSequence> Generate(
        IReadOnlyList<int[]> prompts, GenerationSettings settings, Action<int, int>? onToken = null, Func<int, bool>? isFinished = null)
    {
        if (prompts.Count == 0)
        {
            return [];
        }

        foreach (int[] prompt in prompts)
        {
            Validate(prompt);
        }

        settings.Validate();
        long capacity = prompts.Max(prompt => prompt.Length) + (long)Math.Max(0, settings.MaxNewTokens);
        using var cache = new KeyValueCache(
            model.Configuration, prompts.Count, (int)Math.Min(capacity, model.Configuration.MaxPositions), cacheType);
        var sequences = prompts.Select((prompt, slot) => new Running(slot, prompt)).ToArray();
        var live = sequences.ToList();
        while (settings.MaxNewTokens > 0 && live.Count > 0)
        {
            Advance(live, cache, settings, onToken, isFinished);
            live.RemoveAll(sequence => sequence.Reason is not null);
        }

        return [.. sequences.Select(s => new GeneratedSequence([.. s.Output], s.Reason ?? FinishReason.Length))];
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    private void Advance(
        List<Running> live, KeyValueCache cache, GenerationSettings settings, Action<int, int>? onToken, Func<int, bool>? isFinished)
    {
        _arena.Reset();
        var spans = new SequenceSpan[live.Count];
        var ids = new List<int>();
        for (int i = 0; i < spans.Length; i++)
        {
            spans[i] = new SequenceSpan(ids.Count, live[i].Pending.Length, cache.Length(live[i].Slot), live[i].Slot);
            ids.AddRange(live[i].Pending);
        }

        var executor = new Executor(device, _arena, null);
        var step = StepBatch.Create(_arena, CollectionsMarshal.AsSpan(ids), spans);
        var hidden = model.Forward(executor, step, cache);
        var last = LastRows(executor, hidden, spans);
        var logits = executor.Linear(last, model.Head);
        for (int i = 0; i < spans.Length; i++)
        {
            var sequence = live[i];
            int position = cache.Length(sequence.Slot);
            var row = new ReadOnlySpan<float>(logits.Data + ((long)i * logits.Columns), logits.Columns);
            int id = Sampler.Choose(row, settings, sequence.Slot, position);
            if (settings.StopIds.Contains(id))
            {
                sequence.Reason = FinishReason.Stop;
                continue;
            }

            sequence.Output.Add(id);
            sequence.Pending = [id];
            onToken?.Invoke(sequence.Slot, id);
            if (isFinished?.Invoke(sequence.Slot) == true)
            {
                sequence.Reason = FinishReason.Stop;
            }
            else if (sequence.Output.Count >= settings.MaxNewTokens || position >= cache.Capacity)
            {
                sequence.Reason = FinishReason.Length;
            }
        }
    }

    /// <summary>The hidden state behind the last token of every sequence: only these need logits.</summary>
    private static Tensor LastRows(Executor executor, Tensor hidden, SequenceSpan[] spans)
    {
        var last = executor.Allocate(spans.Length, hidden.Columns);
        for (int i = 0; i < spans.Length; i++)
        {
            long row = spans[i].Start + spans[i].Count - 1;
            NativeMemory.Copy(
                hidden.Data + (row * hidden.Columns), last.Data + ((long)i * hidden.Columns),
                (nuint)hidden.Columns * sizeof(float));
        }

        return last;
    }

    private void Validate(int[] prompt)
    {
        int vocabulary = model.Configuration.VocabularySize;
        if (prompt.Length == 0)
        {
            throw new ArgumentException("a prompt needs at least one token");
        }

        if (prompt.Length > model.Configuration.MaxPositions)
        {
            throw new ArgumentException(
                $"the prompt has {prompt.Length} tokens, the model takes at most {model.Configuration.MaxPositions}");
        }

        int bad = Array.FindIndex(prompt, id => id < 0 || id >= vocabulary);
        if (bad >= 0)
        {
            throw new ArgumentException($"prompt token {bad} is {prompt[bad]}, expected an id below {vocabulary}");
        }
    }

    private sealed class Running(int slot, int[] prompt)
    {
        public int Slot => slot;

        public int[] Pending { get; set; } = prompt;

        public List<int> Output { get; } = [];

        public FinishReason? Reason { get; set; }
    }
}
