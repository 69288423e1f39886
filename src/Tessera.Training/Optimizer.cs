using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Training;

/// <summary>AdamW over a set of parameters, with their gradients and moments.</summary>
public sealed unsafe class Optimizer : IDisposable
{
    private const int BuffersPerParameter = 3;

    private readonly Device _device;
    private readonly Arena _arena;
    private readonly List<Slot> _slots = [];

    /// <summary>Makes parameters trainable: gives each a gradient and two moments, all zero.</summary>
    public Optimizer(Device device, IEnumerable<Parameter> parameters)
    {
        _device = device;
        _arena = device.CreateArena("gradients and moments");
        var trained = parameters.ToList();
        _arena.Reserve(trained.Sum(parameter => BuffersPerParameter * Arena.PaddedBytes(parameter.Count * sizeof(float))));
        foreach (var parameter in trained)
        {
            parameter.Train(_arena);
            _slots.Add(new Slot(
                parameter,
                _arena.AllocateZeroed(parameter.Count * sizeof(float)),
                _arena.AllocateZeroed(parameter.Count * sizeof(float))));
        }
    }

    /// <summary>Where gradients and moments lie.</summary>
    public Arena Arena => _arena;

    /// <summary>Updates done.</summary>
    public int Steps { get; set; }

    /// <summary>The trained parameters with their moments, in order.</summary>
    public IEnumerable<(Parameter Parameter, nint FirstMoment, nint SecondMoment)> State =>
        _slots.Select(slot => (slot.Parameter, slot.First, slot.Second));

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients() => _slots.ForEach(slot => slot.Parameter.ClearGradient());

    /// <summary>The global norm of all gradients.</summary>
    public double GradientNorm()
    {
        double squares = 0;
        foreach (var slot in _slots)
        {
            squares += Kernels.GradientNorm.SumOfSquares(_device, slot.Parameter.Gradient, slot.Parameter.Count);
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Scales the gradient to the norm limit if it is above it, and updates every parameter.</summary>
    /// <returns>The gradient's global norm before clipping.</returns>
    /// <exception cref="InvalidDataException">The norm is not a number: training has diverged; nothing was updated.</exception>
    public double Update(TrainingSettings settings, double learningRate) => Update(settings, learningRate, GradientNorm());

    /// <summary>As <see cref="Update(TrainingSettings, double)"/>, with a norm that is known already.</summary>
    /// <returns>The same norm.</returns>
    /// <exception cref="InvalidDataException">The norm is not a number: training has diverged; nothing was updated.</exception>
    public double Update(TrainingSettings settings, double learningRate, double norm)
    {
        if (!double.IsFinite(norm))
        {
            throw new InvalidDataException($"the gradient's norm is {norm} at step {Steps + 1}: lower the learning rate or check the data");
        }

        Steps++;
        var adam = new AdamWSettings
        {
            LearningRate = (float)learningRate,
            Beta1 = settings.Beta1,
            Beta2 = settings.Beta2,
            Epsilon = settings.Epsilon,
            Step = Steps,
            GradientScale = settings.ClipNorm > 0 && norm > settings.ClipNorm ? (float)(settings.ClipNorm / norm) : 1f,
        };
        foreach (var slot in _slots)
        {
            var parameter = slot.Parameter;
            AdamW.Step(
                _device, parameter.Floats, parameter.Gradient, (float*)slot.First, (float*)slot.Second, parameter.Count,
                adam with { WeightDecay = parameter.Decays ? settings.WeightDecay : 0f });
            parameter.MarkChanged();
        }

        return norm;
    }

    /// <summary>Freezes the parameters and releases gradients and moments.</summary>
    public void Dispose()
    {
        _slots.ForEach(slot => slot.Parameter.Freeze());
        _arena.Dispose();
    }

    private sealed record Slot(Parameter Parameter, nint First, nint Second);
}
