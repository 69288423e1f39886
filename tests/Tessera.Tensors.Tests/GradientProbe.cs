using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Tensors.Tests;

/// <summary>
/// Compares the tape's gradient of L = Σ c·y, with fixed random c for every output y, with central differences of L in
/// every element of every parameter. L is summed in double; only the operations themselves are f32.
/// </summary>
internal sealed unsafe class GradientProbe : IDisposable
{
    private const float Step = 1f / 64;
    private const double Bound = 1e-3;
    private readonly Arena _arena = new("probe");
    private readonly Arena _activations = new("probe activations");
    private readonly Tape _tape;
    private ulong _stream;

    public GradientProbe(int threads = 1)
    {
        Device = new CpuDevice(threads);
        _tape = new Tape(Device);
    }

    public CpuDevice Device { get; }

    public Arena Arena => _arena;

    public List<Parameter> Trained { get; } = [];

    /// <summary>A trained parameter of unit Gaussians times <paramref name="scale"/>.</summary>
    public Parameter Weight(int rows, int columns, float scale = 1f, bool trained = true)
    {
        var parameter = new Parameter($"p{_stream}", rows, columns, DType.F32, _arena);
        var random = new CounterRandom(2024, _stream++);
        for (long i = 0; i < parameter.Count; i++)
        {
            parameter.Floats[i] = random.NextGaussian() * scale;
        }

        if (trained)
        {
            parameter.Train(_arena);
            Trained.Add(parameter);
        }

        return parameter;
    }

    public int* Integers(params ReadOnlySpan<int> values)
    {
        int* copy = (int*)_arena.Allocate(values.Length * sizeof(int));
        values.CopyTo(new Span<int>(copy, values.Length));
        return copy;
    }

    /// <summary>An input whose gradient is seen in its table: row t is token t.</summary>
    public Tensor Input(Executor executor, Parameter table)
    {
        Span<int> ids = stackalloc int[table.Rows];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = i;
        }

        return executor.Embed(Integers(ids), table.Rows, table);
    }

    /// <summary>Runs the program once with the tape and leaves the gradients in the parameters.</summary>
    public void Differentiate(Func<Executor, Tensor[]> program, bool clear = true)
    {
        if (clear)
        {
            Trained.ForEach(parameter => parameter.ClearGradient());
        }

        _activations.Reset();
        _tape.Reset();
        var outputs = program(new Executor(Device, _activations, _tape));
        for (int i = 0; i < outputs.Length; i++)
        {
            float* gradient = _tape.GradientOf(outputs[i]).Floats;
            var random = new CounterRandom(77, (ulong)i);
            for (long j = 0; j < outputs[i].Count; j++)
            {
                gradient[j] += random.NextGaussian();
            }
        }

        _tape.Backward();
    }

    public void Verify(Func<Executor, Tensor[]> program)
    {
        Differentiate(program);
        foreach (var parameter in Trained)
        {
            var differences = new double[parameter.Count];
            for (int i = 0; i < differences.Length; i++)
            {
                float value = parameter.Floats[i];
                parameter.Floats[i] = value + Step;
                double above = Loss(program);
                parameter.Floats[i] = value - Step;
                double below = Loss(program);
                parameter.Floats[i] = value;
                differences[i] = (above - below) / ((value + Step) - (double)(value - Step));
            }

            Errors.AssertClose(new ReadOnlySpan<float>(parameter.Gradient.Floats, differences.Length), differences, Bound, parameter.Name);
        }
    }

    public void Dispose()
    {
        _tape.Dispose();
        _activations.Dispose();
        _arena.Dispose();
        Device.Dispose();
    }

    private double Loss(Func<Executor, Tensor[]> program)
    {
        _activations.Reset();
        var outputs = program(new Executor(Device, _activations, null));
        double loss = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            var random = new CounterRandom(77, (ulong)i);
            for (long j = 0; j < outputs[i].Count; j++)
            {
                loss += (double)random.NextGaussian() * outputs[i].Data.Floats[j];
            }
        }

        return loss;
    }
}
