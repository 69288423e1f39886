using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Tessera.Peers;

/// <summary>
/// A model in llama.cpp: with its default settings, which are its fast ones (repacked weights, f16 cache, automatic flash attention), or
/// exact, with everything in f32.
/// </summary>
[SuppressMessage("Usage", "CA2216", Justification = "It lives as long as one comparison, which disposes it.")]
internal sealed unsafe class LlamaCppModel : IContender
{
    private readonly nint _model;
    private readonly nint _context;
    private readonly int _vocabulary;

    public LlamaCppModel(string path, int positions, int vocabulary, int threads, bool exact)
    {
        _vocabulary = vocabulary;
        _model = LlamaCpp.LoadModel(path, LlamaCpp.ModelDefaults());
        if (_model == 0)
        {
            throw new InvalidDataException($"{path}: llama.cpp does not load it");
        }

        var settings = LlamaCpp.ContextDefaults();
        Write(ref settings, LlamaCpp.ContextField.Context, positions);
        Write(ref settings, LlamaCpp.ContextField.LogicalBatch, positions);
        Write(ref settings, LlamaCpp.ContextField.Threads, threads);
        Write(ref settings, LlamaCpp.ContextField.BatchThreads, threads);
        if (exact)
        {
            Write(ref settings, LlamaCpp.ContextField.KeyType, LlamaCpp.F32);
            Write(ref settings, LlamaCpp.ContextField.ValueType, LlamaCpp.F32);
            Write(ref settings, LlamaCpp.ContextField.FlashAttention, LlamaCpp.Disabled);
        }

        _context = LlamaCpp.CreateContext(_model, settings);
        if (_context == 0)
        {
            throw new InvalidDataException($"{path}: llama.cpp makes no context of {positions} positions");
        }
    }

    public ReadOnlySpan<float> Logits => new(LlamaCpp.Logits(_context, -1), _vocabulary);

    public void Restart() => LlamaCpp.ClearMemory(LlamaCpp.Memory(_context), true);

    public void Feed(ReadOnlySpan<int> tokens)
    {
        fixed (int* ids = tokens)
        {
            int status = LlamaCpp.Decode(_context, LlamaCpp.OneSequence(ids, tokens.Length));
            if (status != 0)
            {
                throw new InvalidOperationException($"llama_decode gives {status}");
            }
        }
    }

    public void Dispose()
    {
        LlamaCpp.FreeContext(_context);
        LlamaCpp.FreeModel(_model);
    }

    private static void Write(ref LlamaCpp.Settings settings, int offset, int value)
    {
        fixed (byte* bytes = settings.Bytes)
        {
            Marshal.WriteInt32((nint)bytes, offset, value);
        }
    }
}
